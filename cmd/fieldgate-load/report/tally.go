package report

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// Act counts one kind of call or event.
type Act struct {
	Took   Histogram        `json:"took"`             // durations of those that succeeded
	Errors map[string]int64 `json:"errors,omitempty"` // number of those that failed, by code
}

// merge adds the counts of another act.
func (a *Act) merge(other Act) {
	a.Took.Merge(other.Took)
	for code, n := range other.Errors {
		a.fail(code, n)
	}
}

func (a *Act) fail(code string, n int64) {
	if a.Errors == nil {
		a.Errors = map[string]int64{}
	}
	a.Errors[code] += n
}

// A Tally counts acts by name. It is safe for concurrent use. The zero Tally is empty.
type Tally struct {
	mu   sync.Mutex
	acts map[string]*Act
}

// Add counts an act that ended with err. Its duration counts if err is nil.
func (t *Tally) Add(name string, took time.Duration, err error) {
	if err != nil {
		t.Fail(name, CodeOf(err))
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.act(name).Took.Add(took)
}

// Fail counts an act that failed with a code.
func (t *Tally) Fail(name, code string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.act(name).fail(code, 1)
}

// act returns the counts of an act. The caller holds t.mu.
func (t *Tally) act(name string) *Act {
	if t.acts == nil {
		t.acts = map[string]*Act{}
	}
	a := t.acts[name]
	if a == nil {
		a = new(Act)
		t.acts[name] = a
	}
	return a
}

// Take returns what was counted since the last call, and starts again.
func (t *Tally) Take() map[string]Act {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := make(map[string]Act, len(t.acts))
	for name, act := range t.acts {
		taken[name] = *act
	}
	t.acts = nil
	return taken
}

// CodeOf returns the code under which an error is counted: that of a refusal of the gateway, or why
// there was no response.
func CodeOf(err error) string {
	var response *client.APIError
	var closed *client.CloseError
	switch {
	case client.CodeOf(err) != "":
		return client.CodeOf(err)
	case errors.As(err, &response):
		return fmt.Sprintf("http_%d", response.Status)
	case errors.As(err, &closed):
		return fmt.Sprintf("close_%d", closed.Code)
	case errors.Is(err, client.ErrInterrupted):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return "no_response"
}
