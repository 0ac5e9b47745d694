package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var fragments embed.FS

// include is how a script asks for a fragment of this package: a line of its own.
const include = "--@include "

// eventFragment is the one by which a script records events. What it recorded is
// then the second element of its reply.
const eventFragment = "event"

// Script is one transition, atomic on the server. Its file starts with a
// comment that is its signature: KEYS, ARGV, what it returns and guarantees.
type Script struct {
	name string

	// A real server is told that the script is Lua, which makes it refuse keys of
	// another slot; the embedded one does not know that line.
	strict, plain source

	// records tells that the script can record events, and answers them.
	records bool
}

// source is the text of a script and the name that the server knows it by.
type source struct{ text, sha string }

// NewScript reads a script from a file system of the package that owns it and
// puts the fragments in front that it includes. It panics when a file is
// missing: files are embedded, so that is a mistake of the build.
func NewScript(files fs.FS, file string) *Script {
	var text strings.Builder
	records := false
	for line := range strings.Lines(mustRead(files, file)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), include); ok {
			text.WriteString(mustRead(fragments, "lua/"+name+".lua"))
			records = records || name == eventFragment
			continue
		}
		text.WriteString(line)
	}
	return &Script{
		name:    strings.TrimSuffix(path.Base(file), ".lua"),
		strict:  newSource("#!lua\n" + text.String()),
		plain:   newSource(text.String()),
		records: records,
	}
}

// SHA is the name by which a real server knows the script.
func (s *Script) SHA() string { return s.strict.sha }

func newSource(text string) source {
	return source{text: text, sha: redis.NewScript(text).Hash()}
}

func mustRead(files fs.FS, file string) string {
	body, err := fs.ReadFile(files, file)
	if err != nil {
		panic(fmt.Sprintf("reading the script: %v", err))
	}
	return string(body)
}

// Run runs a script in one round trip. The reply is what the script returned:
// its first element is "ok" or the code of a refusal. The error is a
// *fieldgate.Error with store_unavailable when the store did not answer in
// time; whether the script ran is then unknown, and it is never sent again.
//
// A context that ends before the script is sent keeps it from being sent. One
// that ends later changes nothing: the reply may hold leases, and whoever asked
// has to hear of them to give them back.
func (s *Store) Run(ctx context.Context, script *Script, keys []string, args ...any) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var reply Reply
	// The client's queues hold on to commands that are through, and so to their context:
	// it must have nothing of the request.
	err := s.do(context.Background(), script.name, func(ctx context.Context) (err error) {
		reply, err = s.eval(ctx, s.choose(script), keys, args)
		return err
	})
	s.tell(script, reply)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return reply, err
}

// tell passes on what a script recorded, whoever ran it.
func (s *Store) tell(script *Script, reply Reply) {
	if !script.records {
		return
	}
	for event := range strings.FieldsSeq(reply.String(1)) {
		s.recorded(event)
	}
}

// eval names the script, and sends its text where the server does not know it:
// the first time, and after a restart or a failover.
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

func (s *Store) choose(script *Script) source {
	if s.Embedded() {
		return script.plain
	}
	return script.strict
}

// send is a way to the server: it gives the error that the command got.
type send func(ctx context.Context, cmd redis.Cmder) error

// once is a command that may not be sent again when its reply is lost: it may
// have run. The client of a Cluster would otherwise do so, up to three times.
type once struct{ *redis.Cmd }

// NoRetry is what the client asks before it sends a command again.
func (once) NoRetry() bool { return true }

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
