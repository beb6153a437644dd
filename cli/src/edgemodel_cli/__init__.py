"""The edgemodel command line."""
