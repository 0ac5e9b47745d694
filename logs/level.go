package logs

import "log/slog"

// levels are the levels of the log by the names that settings and operators give them.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// ParseLevel returns the level with a name: debug, info, warn or error. It returns false for any other
// name.
func ParseLevel(name string) (level slog.Level, ok bool) {
	level, ok = levels[name]
	return level, ok
}
