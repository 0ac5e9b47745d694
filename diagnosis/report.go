package diagnosis

import (
	"encoding/json"
	"fmt"
	"io"
)

// Report writes the findings to w, as JSON or as lines whose checks have the given width. It returns
// an error if one of them is a failure.
func Report(w io.Writer, findings []Finding, asJSON bool, width int) error {
	var err error
	if asJSON {
		err = writeJSON(w, findings)
	} else {
		err = writeLines(w, findings, width)
	}
	if err != nil {
		return fmt.Errorf("printing the findings: %w", err)
	}
	if failed := Failed(findings); failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(findings))
	}
	return nil
}

func writeJSON(w io.Writer, findings []Finding) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(map[string]any{"ok": Failed(findings) == 0, "findings": findings})
}

func writeLines(w io.Writer, findings []Finding, width int) error {
	for _, f := range findings {
		if _, err := fmt.Fprintf(w, "%-4s  %-*s  %s\n", f.Level, width, f.Check, f.Detail); err != nil {
			return err
		}
	}
	return nil
}
