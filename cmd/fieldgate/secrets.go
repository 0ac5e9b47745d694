package main

import (
	"fmt"
	"os"
	"strings"
)

// secretSettings are the settings that contain a secret. For each of them, the variable with the
// suffix _FILE names a file with the value. The secret is then not in the environment with which the
// process was started.
var secretSettings = []string{
	"FIELDGATE_REDIS_URL", "FIELDGATE_DEV_REDIS_URL", "FIELDGATE_JWT_SECRET", "FIELDGATE_JWT_SECRET_PREVIOUS",
	"FIELDGATE_CODE_KEY", "FIELDGATE_RECORD_KEY",
}

// readSecretFiles sets each setting whose file is named. The last line break of a file is not
// part of the value. No error contains the content of a file.
func readSecretFiles() error {
	for _, setting := range secretSettings {
		file := os.Getenv(setting + "_FILE")
		if file == "" {
			continue
		}
		if os.Getenv(setting) != "" {
			return fmt.Errorf("%s and %s_FILE are both set: set one of them", setting, setting)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading %s_FILE: %w", setting, err)
		}
		value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		if err := os.Setenv(setting, value); err != nil {
			return fmt.Errorf("setting %s from its file: %w", setting, err)
		}
	}
	return nil
}
