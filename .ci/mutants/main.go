// Command mutants checks that the tests detect errors in the code. It applies the mutations of
// mutants.yaml one by one to a copy of the source tree, and requires that a test fails for each
// mutation. It never changes the tree itself. Run it in the root: go run ./.ci/mutants
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// Mutant is one mutation of the source.
type Mutant struct {
	Name    string
	File    string
	Find    string // text to replace, which must occur exactly once in the file
	Replace string
	Package string // package whose tests must fail
	Test    string // pattern of the tests to run
}

// verdict is the outcome of one mutation.
type verdict string

const (
	caught    verdict = "caught"
	survived  verdict = "NOT CAUGHT"
	unbuilt   verdict = "DOES NOT BUILD"
	unmatched verdict = "TEXT NOT FOUND ONCE"
	unclear   verdict = "NO TEST FAILED, AND NONE PASSED"
)

func main() {
	only := flag.String("only", "", "apply only the mutations whose name matches this pattern")
	workers := flag.Int("workers", 2, "number of mutations to test at a time")
	match := flag.Bool("match", false, "only check that each mutation applies to the source")
	flag.Parse()
	if *match {
		if err := matchAll(*only); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	start := time.Now()
	missed, tried, err := run(ctx, *only, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d of %d mutations were caught in %s\n", tried-missed, tried, time.Since(start).Round(time.Second))
	if missed > 0 || tried == 0 {
		os.Exit(1)
	}
}

// run tests the selected mutations. It returns the number of mutations that no test caught,
// and the number of mutations that it tried.
func run(ctx context.Context, only string, workers int) (missed, tried int, err error) {
	mutants, err := read(only)
	if err != nil {
		return 0, 0, err
	}
	copies, remove, err := copyTree(workers)
	defer remove()
	if err != nil {
		return 0, 0, fmt.Errorf("copying the tree: %w", err)
	}
	if err := requirePassing(ctx, copies[0], mutants); err != nil {
		return 0, 0, err
	}
	queue := make(chan Mutant)
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, dir := range copies {
		group.Go(func() {
			for m := range queue {
				result, output := apply(ctx, dir, m)
				mu.Lock()
				missed += report(m, result, output)
				mu.Unlock()
			}
		})
	}
	for _, m := range mutants {
		if ctx.Err() == nil {
			queue <- m
		}
	}
	close(queue)
	group.Wait()
	return missed, len(mutants), ctx.Err()
}

// matchAll returns an error for the first mutation whose Find text does not occur exactly once.
func matchAll(only string) error {
	mutants, err := read(only)
	if err != nil {
		return err
	}
	for _, m := range mutants {
		if _, found := m.find("."); !found {
			return fmt.Errorf("%s: the text of the mutation %q does not occur exactly once", m.File, m.Name)
		}
	}
	return nil
}

// find returns the content of the mutant's file in dir, and reports whether that content
// contains m.Find exactly once.
func (m Mutant) find(dir string) (original string, found bool) {
	content, err := os.ReadFile(filepath.Join(dir, m.File))
	return string(content), err == nil && strings.Count(string(content), m.Find) == 1
}

func read(only string) (chosen []Mutant, err error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("reading -only: %w", err)
	}
	text, err := os.ReadFile(".ci/mutants/mutants.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the mutations (run this in the root of the repository): %w", err)
	}
	var all []Mutant
	if err := yaml.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("parsing the mutations: %w", err)
	}
	for _, m := range all {
		if pattern.MatchString(m.Name) {
			chosen = append(chosen, m)
		}
	}
	return chosen, nil
}

// copyTree creates one copy of the source tree for each worker.
func copyTree(workers int) (dirs []string, remove func(), err error) {
	root, err := os.MkdirTemp("", "fieldgate-mutants-")
	remove = func() { _ = os.RemoveAll(root) }
	for i := 0; i < workers && err == nil; i++ {
		dir := filepath.Join(root, fmt.Sprint(i))
		dirs = append(dirs, dir)
		err = copyFiles(dir)
	}
	return dirs, remove, err
}

// copyFiles copies into the directory target all files that the build and the tests need.
func copyFiles(target string) error {
	return filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules" || path == "bin"):
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(target, path), 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info() // some tests run scripts
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(target, path), content, info.Mode().Perm())
	})
}

// tries is the maximum number of times that the tests are run, because they may fail on
// a busy machine.
const tries = 3

// requirePassing returns an error if the tests fail without a mutation. Such tests could not
// detect a mutation.
func requirePassing(ctx context.Context, dir string, mutants []Mutant) error {
	patterns := map[string][]string{}
	for _, m := range mutants {
		patterns[m.Package] = append(patterns[m.Package], m.Test)
	}
	for pkg, tests := range patterns {
		output, err := "", errors.New("not run")
		for i := 0; i < tries && err != nil && ctx.Err() == nil; i++ {
			output, err = runTests(ctx, dir, pkg, strings.Join(tests, "|"))
		}
		if err != nil {
			return fmt.Errorf("the tests of %s fail without a mutation: %s", pkg, output)
		}
	}
	return nil
}

// apply applies mutation m to the copy in dir, runs the tests, and reverts m.
func apply(ctx context.Context, dir string, m Mutant) (verdict, string) {
	file := filepath.Join(dir, m.File)
	original, found := m.find(dir)
	if !found {
		return unmatched, ""
	}
	defer os.WriteFile(file, []byte(original), 0o644)
	mutated := strings.Replace(original, m.Find, m.Replace, 1)
	if err := os.WriteFile(file, []byte(mutated), 0o644); err != nil {
		return unmatched, err.Error()
	}
	output, err := runTests(ctx, dir, m.Package, m.Test)
	switch {
	case err == nil:
		return survived, output
	case strings.Contains(output, "[build failed]"), strings.Contains(output, "[setup failed]"), scriptError.MatchString(output):
		return unbuilt, output
	case ctx.Err() == nil && failure.MatchString(output):
		return caught, output
	}
	return unclear, output
}

// runTests runs tests and returns their output.
func runTests(ctx context.Context, dir, pkg, pattern string) (string, error) {
	// The flags omit debug information and the path of the copy, so that all copies share one
	// build cache.
	cmd := exec.CommandContext(ctx, "go", "test", "-trimpath", "-ldflags=-s -w",
		"-count=1", "-failfast", "-vet=off", "-timeout=120s", "-run", pattern, pkg)
	cmd.Dir = dir
	for _, module := range modules {
		if inner, ok := strings.CutPrefix(pkg, module); ok {
			cmd.Dir, cmd.Args[len(cmd.Args)-1] = filepath.Join(dir, module), "."+inner
			cmd.Env = append(os.Environ(), "GOWORK=off")
		}
	}
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// modules are the folders of the modules beside that of the gateway: the Go client, and the tests of deployment
// files.
var modules = []string{"./clients/go", "./.ci/manifests"}

// failure matches the failed test, or the panic that ended the test binary.
var failure = regexp.MustCompile(`--- FAIL: (\S+)|panic: `)

// scriptError matches the position of an error in a script that Redis has compiled or run.
var scriptError = regexp.MustCompile(`user_script:\d+: `)

func report(m Mutant, result verdict, output string) (missed int) {
	by := ""
	if found := failure.FindStringSubmatch(output); found != nil && result == caught {
		by = " by " + cmp.Or(found[1], "a panic")
	}
	fmt.Printf("%-20s %s%s\n", result, m.Name, by)
	if result == caught {
		return 0
	}
	if result == unbuilt || result == unclear {
		fmt.Println(output)
	}
	return 1
}
