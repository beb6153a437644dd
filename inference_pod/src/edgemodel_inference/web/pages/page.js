"use strict";

const at = (id) => document.getElementById(id);

function make(tag, text, className) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

async function ask(path, options = {}) {
  const token = at("token").value || sessionStorage.getItem("token") || "";
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(path, { ...options, headers });
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401) at("token-row").hidden = false;
  if (!answer.ok) throw new Error(body.error || `the server answers ${answer.status}`);
  if (token) sessionStorage.setItem("token", token);
  return body;
}

function tensors(list) {
  return list.map((t) => `${t.name}: ${t.datatype} [${t.shape.map((d) => (d < 0 ? "n" : d)).join(", ")}]`).join("; ");
}

function row(name, value, mono) {
  if (value === null || value === undefined || value === "") return;
  at("card").append(make("dt", name), make("dd", value, mono ? "mono" : ""));
}

let loaded = false;

async function showCard() {
  const { model, version, digest, pictures, card } = await ask("card");
  const percent = (share) => (share === null || share === undefined ? null : `${(100 * share).toFixed(2)} %`);
  document.title = at("name").textContent = model;
  at("description").textContent = card.description;
  at("infer").textContent = `/v2/models/${model}/infer`;
  at("card").replaceChildren();
  row("Version", version);
  row("Digest", digest, true);
  row("Bundle", card.name);
  row("Inputs", tensors(card.inputs), true);
  row("Outputs", `${tensors(card.outputs)} (${card.outputKind})`, true);
  row("Labels", card.labels.join(", "));
  row("Pictures", pictures ? `values 0 to 255, divided by ${card.inputScale}` : "no");
  row("Accuracy", percent(card.scores.accuracy));
  row("Worst class", percent(card.scores.worstClassAccuracy));
  row("Holdout", card.scores.holdout);
  row("Teacher", card.lineage.teacher, true);
  row("Parent", card.lineage.parent, true);
  row("Data set", card.lineage.dataset, true);
  at("picture-row").hidden = !pictures;
  const size = card.inputs[0].shape.slice(1).reduce((a, b) => a * Math.abs(b), 1);
  if (!at("input").value && size <= 4096) at("input").value = JSON.stringify({ input: Array(size).fill(0) });
  at("problem").hidden = true;
  loaded = true;
}

function guesses(prediction) {
  return prediction.top.map((guess) => {
    const line = make("div", "", "guess");
    const bar = document.createElement("meter");
    bar.value = guess.confidence;
    line.append(make("span", guess.label), bar, make("span", `${(100 * guess.confidence).toFixed(1)} %`));
    return line;
  });
}

function showAnswer(answer) {
  const found = (answer.predictions || [answer]).flatMap((each) => [make("h3", each.label), ...guesses(each)]);
  const origin = `${answer.model} ${answer.version} (${answer.source}), ${answer.latency_ms} ms`;
  at("result").replaceChildren(...found, make("p", origin));
}

function showProblem(error) {
  at("problem").textContent = error.message;
  at("problem").hidden = false;
}

at("picture").addEventListener("change", () => {
  const [file] = at("picture").files;
  at("preview").hidden = !file;
  if (file) at("preview").src = URL.createObjectURL(file);
});

at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [file, ...others] = at("picture").files;
  const options = others.length
    ? { method: "POST", body: new FormData(at("form")) }
    : file
    ? { method: "POST", body: file, headers: { "Content-Type": file.type } }
    : { method: "POST", body: at("input").value, headers: { "Content-Type": "application/json" } };
  try {
    if (!loaded) await showCard();
    showAnswer(await ask(others.length ? "batch_predict" : "predict", options));
  } catch (error) {
    at("result").replaceChildren(make("p", error.message, "problem"));
  }
});

showCard().catch(showProblem);
