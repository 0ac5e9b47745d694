package supabase_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// postgres is a PostgreSQL server with the roles that a Supabase project has. Each project of the
// tests has a database of its own, a copy of one in which the migrations of Supabase Auth have run.
type postgres struct {
	dir, port string
	cmd       *exec.Cmd
}

const (
	superuser     = "supabase_admin"
	authRole      = "supabase_auth_admin"
	emptyDatabase = "empty_project"
)

// roles are the roles and rights that Supabase Auth expects.
const roles = `
create role postgres superuser;
create role supabase_auth_admin login noinherit createrole;
create role anon;
create role authenticated;
create role service_role bypassrls;
alter role supabase_auth_admin set search_path = auth;
create database empty_project;`

const emptyProject = `
create schema auth authorization supabase_auth_admin;
grant create on database empty_project to supabase_auth_admin;`

// startPostgres starts a server in a new directory. Its data does not survive a crash.
func startPostgres(dir string) (*postgres, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &postgres{dir: dir, port: port}
	if err := p.initialize(); err != nil {
		return nil, err
	}
	server, err := postgresProgram("postgres")
	if err != nil {
		return nil, err
	}
	p.cmd = unprivileged(server, "-D", dir, "-p", port, "-k", dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200")
	if p.cmd.SysProcAttr == nil {
		p.cmd.SysProcAttr = storetest.DieWithParent()
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	return p, errors.Join(await("PostgreSQL accepts connections", p.accepts), p.prepare())
}

// initialize creates the data of the server.
func (p *postgres) initialize() error {
	program, err := postgresProgram("initdb")
	if err != nil {
		return err
	}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := giveToPostgres(p.dir); err != nil {
			return err
		}
	}
	return runTool(unprivileged(program, "-D", p.dir, "-U", superuser, "--auth=trust", "-E", "UTF8", "--no-sync"))
}

// prepare creates the roles, and the database that those of the projects are copies of.
func (p *postgres) prepare() error {
	if _, err := p.run("postgres", roles); err != nil {
		return err
	}
	if _, err := p.run(emptyDatabase, emptyProject); err != nil {
		return err
	}
	migrate := exec.Command(programs.auth, "migrate")
	migrate.Env = p.authEnvironment(emptyDatabase, "http://127.0.0.1", "0")
	return runTool(migrate)
}

func (p *postgres) accepts() bool {
	_, err := p.run("postgres", "select 1")
	return err == nil
}

// run runs SQL as the superuser, and returns its rows.
func (p *postgres) run(name, sql string) (string, error) {
	cmd := exec.Command("psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", p.port, "-U", superuser, "-d", name)
	cmd.Stdin = strings.NewReader(sql)
	var out, failed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failed
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running %q in PostgreSQL: %w\n%s", sql, err, &failed)
	}
	return strings.TrimSpace(out.String()), nil
}

// newDatabase creates the database of a project and returns its name.
func (p *postgres) newDatabase(t testing.TB) string {
	t.Helper()
	name := "project_" + strings.ToLower(rand.Text())
	_, err := p.run("postgres", "create database "+name+" template "+emptyDatabase)
	require.NoError(t, err)
	return name
}

func (p *postgres) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
}

// unprivileged returns a command that runs as the user postgres if the tests run as root, which
// PostgreSQL refuses. The process ends with the test binary.
func unprivileged(program string, args ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		return exec.Command(program, args...)
	}
	as := []string{"--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL", program}
	cmd := exec.Command("setpriv", append(as, args...)...)
	cmd.Dir = "/"
	return cmd
}

func giveToPostgres(dir string) error {
	owner, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("finding the user that PostgreSQL runs as: %w", err)
	}
	uid, errUID := strconv.Atoi(owner.Uid)
	gid, errGID := strconv.Atoi(owner.Gid)
	return errors.Join(errUID, errGID, os.Chown(dir, uid, gid))
}

// postgresProgram returns the path of a program of PostgreSQL. Debian installs them outside PATH.
func postgresProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed: install it (Debian: sudo apt-get install postgresql)")
	}
	return slices.Max(found), nil
}
