package admin

import (
	"fmt"
	"time"
)

// tally counts what a command has done and what has failed.
type tally struct {
	what, verb   string // such as "sessions" and "closed", for the error
	done, failed int
}

func (t *tally) note(err error) {
	if err != nil {
		t.failed++
	} else {
		t.done++
	}
}

// err returns an error if something has failed. The list of the command has the reasons.
func (t *tally) err() error {
	if t.failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d %s could not be %s: run the command again", t.failed, t.done+t.failed, t.what, t.verb)
}

// at returns a time as tables print it, in UTC. The zero time is empty.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
