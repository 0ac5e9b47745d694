package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxVersions is the number of versions of a library that a server keeps. An instance that finds
// more when it connects deletes all but its own. An instance of a deleted version loads it again
// at its next call.
const maxVersions = 8

// loadAgainAfter is the minimum interval between two attempts to load functions that a server lacks.
const loadAgainAfter = time.Second

// functions is the state of a store's use of functions.
type functions struct {
	disabled bool        // the store uses no functions
	refused  atomic.Bool // the server has refused them
	loading  sync.Mutex  // held while missing functions are loaded

	// loaded has the time at which missing functions of a set were loaded last. It is guarded by
	// loading.
	loaded map[*Scripts]time.Time
}

// ownScripts is the set of the scripts of this package.
var ownScripts = NewScripts("store", files)

// loadScripts loads the scripts of all sets into every master, so that the first call of each
// script finds it. It loads them as functions unless the server does not permit that. The gateway
// also runs if nothing can be loaded, for example because the memory of the server is used up.
func (s *Store) loadScripts(ctx context.Context, sets []*Scripts) {
	if s.readOnly {
		return
	}
	err := s.eachMaster(ctx, func(ctx context.Context, server redis.Cmdable) error {
		if s.usesFunctions() {
			return s.loadLibraries(ctx, server, sets)
		}
		return s.loadDigests(ctx, server, sets)
	})
	if isForbidden(err) && s.usesFunctions() {
		s.doWithoutFunctions(ctx, err)
		s.loadScripts(ctx, sets)
		return
	}
	if err != nil {
		s.log.WarnContext(ctx, "loading the scripts into Redis failed; each is loaded when it is first called", "error", err)
	}
}

// usesFunctions reports whether scripts run as functions.
func (s *Store) usesFunctions() bool {
	return !s.functions.disabled && !s.functions.refused.Load() && !s.Embedded()
}

// doWithoutFunctions makes the store run scripts with EVALSHA until the process ends.
func (s *Store) doWithoutFunctions(ctx context.Context, err error) {
	if !s.functions.refused.Swap(true) {
		s.log.WarnContext(ctx, "running scripts with EVALSHA, which costs Redis more time than functions, because it refuses those", "error", err)
	}
}

// loadDigests loads the texts of the scripts, so that EVALSHA finds their digests.
func (s *Store) loadDigests(ctx context.Context, server redis.Cmdable, sets []*Scripts) error {
	for _, set := range sets {
		for _, script := range set.scripts {
			if err := server.ScriptLoad(ctx, s.sourceOf(script).text).Err(); err != nil {
				return fmt.Errorf("loading the script %s: %w", script.name, err)
			}
		}
	}
	return nil
}

// loadLibraries loads the libraries of the sets into one server.
func (s *Store) loadLibraries(ctx context.Context, server redis.Cmdable, sets []*Scripts) error {
	for _, set := range sets {
		if err := s.loadLibrary(ctx, server, set); err != nil {
			return fmt.Errorf("loading the functions of %s: %w", set.name, err)
		}
	}
	return nil
}

// loadLibrary loads the library of a set. If the server has a library of that name with another
// text, which only another program can have written, loadLibrary replaces it.
func (s *Store) loadLibrary(ctx context.Context, server redis.Cmdable, set *Scripts) error {
	own := set.library(s.packs)
	query := redis.FunctionListQuery{LibraryNamePattern: libraryPrefix + set.name + "_" + strings.Repeat("?", versionLength), WithCode: true}
	found, err := server.FunctionList(ctx, query).Result()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(found, func(l redis.Library) bool { return l.Name == own.name })
	switch {
	case at < 0:
		err = server.FunctionLoad(ctx, own.text).Err()
	case found[at].Code != own.text:
		s.log.WarnContext(ctx, "replaced functions in Redis that another program had changed", "library", own.name)
		err = server.FunctionLoadReplace(ctx, own.text).Err()
	}
	if err != nil && !isLoaded(err) {
		return err
	}
	return s.deleteVersions(ctx, server, own.name, found)
}

// isLoaded reports whether err means that another instance has loaded the library first.
func isLoaded(err error) bool { return strings.Contains(err.Error(), "already exists") }

// deleteVersions deletes all libraries of found except the one named own, if there are too many.
func (s *Store) deleteVersions(ctx context.Context, server redis.Cmdable, own string, found []redis.Library) error {
	if len(found) < maxVersions {
		return nil
	}
	for _, l := range found {
		if l.Name == own {
			continue
		}
		if err := server.FunctionDelete(ctx, l.Name).Err(); err != nil && !strings.Contains(err.Error(), "not found") {
			return fmt.Errorf("deleting %s: %w", l.Name, err)
		}
	}
	s.log.InfoContext(ctx, "deleted the functions of other versions", "libraries", len(found)-1)
	return nil
}

// callFunction runs a script as a function. It returns called false if no function has run,
// because the store uses none, or the server has none of that name. The library is then loaded
// for later calls.
func (s *Store) callFunction(ctx context.Context, script *Script, keys []string, args []any) (reply []any, called bool, err error) {
	if script.set == nil || !s.usesFunctions() {
		return nil, false, nil
	}
	reply, err = s.sendEval(ctx, "fcall", script.function(s.packs), keys, args)
	switch {
	case isMissing(err):
		s.loadMissing(ctx, script.set)
		return nil, false, nil
	case isForbidden(err):
		s.doWithoutFunctions(ctx, err)
		return nil, false, nil
	}
	return reply, true, err
}

// isMissing reports whether err means that the server does not know a function. The error of a
// command inside a function has more text.
func isMissing(err error) bool { return err != nil && err.Error() == "ERR Function not found" }

// isForbidden reports whether err means that the user of Redis may not use functions, or that the
// server has none. The command then has done nothing. The error of a command inside a function
// names another command.
func isForbidden(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false
	}
	text := strings.ToLower(reply.Error())
	names := strings.Contains(text, "'fcall'") || strings.Contains(text, "'function")
	return names && (strings.HasPrefix(text, "noperm") || strings.HasPrefix(text, "err unknown command"))
}

// loadMissing loads the library of a set into every master, because one of them has lost it or has
// joined. While one caller loads libraries, the others go on without.
func (s *Store) loadMissing(ctx context.Context, set *Scripts) {
	f := &s.functions
	if !f.loading.TryLock() {
		return
	}
	defer f.loading.Unlock()
	if time.Since(f.loaded[set]) < loadAgainAfter {
		return
	}
	f.loaded[set] = time.Now()
	err := s.eachMaster(ctx, func(ctx context.Context, server redis.Cmdable) error { return s.loadLibrary(ctx, server, set) })
	if isForbidden(err) {
		s.doWithoutFunctions(ctx, err)
	} else if err != nil {
		s.log.WarnContext(ctx, "loading functions into Redis failed", "library", set.library(s.packs).name, "error", err)
	}
}
