TOP=core
