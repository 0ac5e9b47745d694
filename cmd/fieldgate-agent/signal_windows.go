package main

// ignoreFileSizeSignal does nothing, because Windows has no limit on the size of files.
func ignoreFileSizeSignal() {}
