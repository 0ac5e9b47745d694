package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// secretSettings are the settings that contain a secret.
var secretSettings = []string{
	"FIELDGATE_REDIS_URL", "FIELDGATE_DEV_REDIS_URL", "FIELDGATE_JWT_SECRET", "FIELDGATE_JWT_SECRET_PREVIOUS",
	"FIELDGATE_CODE_KEY", "FIELDGATE_RECORD_KEY", "FIELDGATE_SIGNING_KEY", "FIELDGATE_ADMIN_TOKEN",
}

// fileSettings are the settings for which the variable with the suffix _FILE names a file with the
// value. A secret is then not in the environment with which the process was started, and a value can
// change while the process runs.
var fileSettings = append(slices.Clone(secretSettings), "FIELDGATE_LOG_LEVEL")

const fileSuffix = "_FILE"

// readSettingFiles sets each setting whose file is named. The last line break of a file is not
// part of the value. No error contains the content of a file.
func readSettingFiles() error {
	for _, setting := range fileSettings {
		file := os.Getenv(setting + fileSuffix)
		if file == "" {
			continue
		}
		if os.Getenv(setting) != "" {
			return fmt.Errorf("%s and %s_FILE are both set: set one of them", setting, setting)
		}
		value, err := readSetting(file)
		if err != nil {
			return fmt.Errorf("reading %s_FILE: %w", setting, err)
		}
		if err := os.Setenv(setting, value); err != nil {
			return fmt.Errorf("setting %s from its file: %w", setting, err)
		}
	}
	return nil
}

// readSetting returns the value in a file, without the last line break.
func readSetting(file string) (string, error) {
	content, err := os.ReadFile(file)
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), err
}
