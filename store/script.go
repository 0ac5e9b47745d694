package store

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Script is one transition, which Redis runs atomically. Its file starts with its
// signature: a comment with KEYS, ARGV, what the script returns and what it guarantees.
type Script struct {
	name string

	// strict begins with "#!lua", so that a real server refuses keys of another slot.
	// plain lacks that line, because the embedded server cannot parse it.
	// packed is strict for a store whose events are packed.
	strict, packed, plain source

	// own is the text of the script without the fragments that it includes.
	own string

	// set is the set with which a server loads the script as a function. It is nil for a check.
	set *Scripts
	// function returns the name of that function in a store whose events are packed, or are not.
	function func(packed bool) string

	// records reports whether the script can record events. If so, the second element of
	// its reply holds their types.
	records bool

	// schedules reports whether the script can change the due index.
	schedules bool

	// creates reports whether the script creates data, so that a full store refuses it.
	creates bool
}

// source is the text of a script and the text's SHA-1 digest, which EVALSHA expects.
type source struct{ text, sha string }

// NewScript loads the script in file like Scripts.Script, as the only script of a set.
func NewScript(files fs.FS, file string, libraries ...Library) *Script {
	return NewScripts("script", files, libraries...).Script(file)
}

// newScript loads the script in file, with the fragments that it includes.
func newScript(files fs.FS, file string, libraries []Library) *Script {
	l := newLoader(libraries)
	own := l.load(origin{files: files, dir: path.Dir(file)}, path.Base(file))
	text := l.fragments.String() + own
	script := &Script{
		name:      strings.TrimSuffix(path.Base(file), ".lua"),
		strict:    newSource("#!lua flags=allow-oom\n" + text),
		plain:     newSource(text),
		own:       own,
		records:   l.included[eventFragment],
		schedules: l.included[dueFragment],
		creates:   strings.Contains(text, creates+"\n"),
	}
	if script.creates {
		script.strict = newSource("#!lua\n" + text)
	}
	script.packed = newSource(packed(script.strict.text))
	return script
}

// NewCheck loads a script, but the script writes nothing. It returns what it
// would return if it wrote, so a script that repairs and reports damage only reports it. A real
// server refuses every write of a check.
func NewCheck(scripts fs.FS, file string, libraries ...Library) *Script {
	script := newScript(scripts, file, libraries)
	text := mustRead(files, readOnlyFragment) + script.plain.text
	strict := newSource("#!lua flags=no-writes\n" + text)
	return &Script{name: script.name + "_check", strict: strict, packed: strict, plain: newSource(text)}
}

// SHA returns the digest with which EVALSHA runs the script on a real server whose events are packed.
// Other servers use another digest.
func (s *Script) SHA() string { return s.packed.sha }

// newSource returns a source with the text and its digest.
func newSource(text string) source {
	return source{text: text, sha: redis.NewScript(text).Hash()}
}

// Run runs a script in one round trip. The first element of the reply is "ok" or the code
// of a refusal. If the store does not reply in time, the error is a *fieldgate.Error with
// the code store_unavailable. It is then unknown whether the script ran. Run does not
// send the script again.
//
// Run sends nothing if ctx has already ended. If ctx ends later, Run still waits for the
// reply, because the reply may hold leases that the caller has to release.
func (s *Store) Run(ctx context.Context, script *Script, keys []string, args ...any) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.TooNew() {
		return nil, errTooNew
	}
	if script.creates && s.full.Load() {
		return nil, errStoreFull
	}
	var reply Reply
	span := s.startSpan(ctx, script.name)
	// The client's queues keep finished commands and their contexts for a while. The
	// caller's context is not passed on, because it would keep the whole request in memory.
	err := s.do(context.Background(), script.name, func(ctx context.Context) (err error) {
		reply, err = s.eval(ctx, script, keys, args)
		return err
	})
	endSpan(span, err)
	s.noteSchedule(script, keys)
	s.reportEvents(script, reply)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return reply, err
}

// noteSchedule lets the sweeper know that the script may have added a member to the due index, which
// is in the partition of the script's keys. A script without a reply may have run too.
func (s *Store) noteSchedule(script *Script, keys []string) {
	if !script.schedules || len(keys) == 0 {
		return
	}
	if p, ok := partitionOfKey(keys[0]); ok {
		s.due.mark(p)
	}
}

// reportEvents passes the types of the events that the script recorded to
// Config.Recorded.
func (s *Store) reportEvents(script *Script, reply Reply) {
	if !script.records {
		return
	}
	for event := range strings.FieldsSeq(reply.String(1)) {
		s.recorded(event)
	}
}

// eval runs a script. A server that was demoted has run nothing, and its address may lead to
// the new master by now: eval then sends the script once more, over a new connection.
func (s *Store) eval(ctx context.Context, script *Script, keys []string, args []any) ([]any, error) {
	reply, err := s.evalOnce(ctx, script, keys, args)
	if redis.IsReadOnlyError(err) {
		if s.dialer.renew() {
			s.log.WarnContext(ctx, "found the server demoted to a replica; opening new connections", "error", err)
		}
		reply, err = s.evalOnce(ctx, script, keys, args)
	}
	return reply, err
}

// evalOnce runs a script as a function if it can, and by its digest otherwise. If the server
// does not know the digest, evalOnce sends the text.
func (s *Store) evalOnce(ctx context.Context, script *Script, keys []string, args []any) ([]any, error) {
	if reply, called, err := s.callFunction(ctx, script, keys, args); called {
		return reply, err
	}
	src := s.sourceOf(script)
	reply, err := s.sendEval(ctx, "evalsha", src.sha, keys, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, err = s.sendEval(ctx, "eval", src.text, keys, args)
	}
	return reply, err
}

// sendEval sends the command name, which is "fcall", "evalsha" or "eval", and returns the list
// that the script returned.
func (s *Store) sendEval(ctx context.Context, name, script string, keys []string, args []any) ([]any, error) {
	cmd := evalCommand(ctx, name, script, keys, args)
	if err := s.send(ctx, cmd); err != nil {
		return nil, err
	}
	reply, ok := cmd.Val().([]any)
	if !ok {
		return nil, errNoList
	}
	return reply, nil
}

var errNoList = errors.New("the script returned no list")

// sourceOf returns the source of a script for the kind of this server and the format of its events.
func (s *Store) sourceOf(script *Script) source {
	switch {
	case s.Embedded():
		return script.plain
	case s.packs:
		return script.packed
	}
	return script.strict
}

// sendFunc is a function that sends a command to the server, waits for the reply and
// returns the command's error.
type sendFunc func(ctx context.Context, cmd redis.Cmder) error

// once is a command that is sent only once. If its reply is lost, the server may still
// have run the command. Without once, the client of a Cluster would send it up to three
// more times.
type once struct{ *redis.Cmd }

// NoRetry reports to the client library that it must not repeat the command.
func (once) NoRetry() bool { return true }

// evalCommand builds an FCALL, EVAL or EVALSHA command.
func evalCommand(ctx context.Context, name, script string, keys []string, args []any) once {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, name, script, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	cmd := once{redis.NewCmd(ctx, append(all, args...)...)}
	if len(keys) > 0 {
		cmd.SetFirstKeyPos(3)
	}
	return cmd
}
