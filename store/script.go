package store

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Script is one transition, atomic on the server. Its file starts with its signature, a
// comment with KEYS, ARGV, what the script returns and what it guarantees.
type Script struct {
	name string

	// strict begins with "#!lua", which makes a real server refuse keys of another slot.
	// The embedded server does not know that line and runs plain.
	strict, plain source

	// records reports whether the script can record events. Their types are then the
	// second element of its reply.
	records bool

	// creates reports whether the script is refused while the store is full.
	creates bool
}

// source is the text of a script and its SHA-1 digest, by which the server names it.
type source struct{ text, sha string }

// NewScript loads a script from a file system of the package that owns it, with the
// fragments that it includes. The libraries hold those of other packages. NewScript panics
// when a file is missing, because files are embedded: the build is wrong then.
func NewScript(files fs.FS, file string, libraries ...Library) *Script {
	l := newLoader(libraries)
	l.add(origin{files: files, dir: path.Dir(file)}, path.Base(file))
	text := l.text.String()
	script := &Script{
		name:    strings.TrimSuffix(path.Base(file), ".lua"),
		strict:  newSource("#!lua flags=allow-oom\n" + text),
		plain:   newSource(text),
		records: l.included[eventFragment],
		creates: strings.Contains(text, creates+"\n"),
	}
	if script.creates {
		script.strict = newSource("#!lua\n" + text)
	}
	return script
}

// SHA returns the digest by which a real server names the script.
func (s *Script) SHA() string { return s.strict.sha }

// newSource returns the source of a text.
func newSource(text string) source {
	return source{text: text, sha: redis.NewScript(text).Hash()}
}

// Run runs a script in one round trip. The first element of its reply is "ok" or the code
// of a refusal. The error is a *fieldgate.Error with store_unavailable when the store did
// not reply in time. Whether the script ran is then unknown, and Run never sends it again.
//
// Run sends nothing once the context has ended. A context that ends later changes nothing,
// because the reply may hold leases, which the caller has to release.
func (s *Store) Run(ctx context.Context, script *Script, keys []string, args ...any) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if script.creates && s.full.Load() {
		return nil, errStoreFull
	}
	var reply Reply
	// The client's queues keep finished commands for a while, with their context. That of
	// the request would be kept with everything in it.
	err := s.do(context.Background(), script.name, func(ctx context.Context) (err error) {
		reply, err = s.eval(ctx, s.sourceOf(script), keys, args)
		return err
	})
	s.reportEvents(script, reply)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return reply, err
}

// reportEvents passes the types of the events that a script recorded to
// Config.Recorded.
func (s *Store) reportEvents(script *Script, reply Reply) {
	if !script.records {
		return
	}
	for event := range strings.FieldsSeq(reply.String(1)) {
		s.recorded(event)
	}
}

// eval runs a script by its digest. It sends the text when the server does not know the
// digest: the first time, and after a restart or a failover.
func (s *Store) eval(ctx context.Context, src source, keys []string, args []any) ([]any, error) {
	cmd := evalCommand(ctx, "evalsha", src.sha, keys, args)
	err := s.send(ctx, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		cmd = evalCommand(ctx, "eval", src.text, keys, args)
		err = s.send(ctx, cmd)
	}
	if err != nil {
		return nil, err
	}
	reply, ok := cmd.Val().([]any)
	if !ok {
		return nil, errNoList
	}
	return reply, nil
}

var errNoList = errors.New("the script returned no list")

// sourceOf returns the source that the kind of server accepts.
func (s *Store) sourceOf(script *Script) source {
	if s.Embedded() {
		return script.plain
	}
	return script.strict
}

// sendFunc sends a command to the server, waits for the reply and returns the error
// of the command.
type sendFunc func(ctx context.Context, cmd redis.Cmder) error

// once is a command that is sent only once. If its reply is lost, it may have run.
// The client of a Cluster would otherwise repeat it up to three times.
type once struct{ *redis.Cmd }

// NoRetry reports to the client that it must not repeat the command.
func (once) NoRetry() bool { return true }

// evalCommand builds an EVAL or EVALSHA command.
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
