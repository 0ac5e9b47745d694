package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/fleet"
	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/site"
)

const (
	// spareDescriptors is the number of descriptors of a process that the sockets of its devices
	// leave free: for the requests of users, of devices that log in, and for files.
	spareDescriptors = 2_000

	// devicesOfProcess is the number of devices for which another process is started, because a
	// garbage collection of many stacks takes long.
	devicesOfProcess = 15_000

	stopTimeout = 10 * time.Second
)

// player is a process that plays a part of the fleet.
type player struct {
	cmd       *exec.Cmd
	usage     *site.Process
	stdin     io.WriteCloser
	responses *json.Decoder

	mu       sync.Mutex // held while a request is written
	requests *json.Encoder
}

// startPlayers starts the processes that play the fleet, and sends each its part.
func (p *play) startPlayers(part fleet.Part) error {
	part.Of = processes(p.scenario.Processes, p.scenario.Devices, p.scenario.Tenants, maxDescriptors())
	for part.Index = range part.Of {
		one, err := startPlayer(part.Index)
		if err != nil {
			return err
		}
		p.players = append(p.players, one)
		if err := one.send(fleet.Request{Part: &part}); err != nil {
			return err
		}
	}
	return nil
}

// processes returns the number of processes that play the fleet: as many as the scenario says, or
// as the limit of open files requires, which is zero if it is not known.
func processes(wanted, devices, tenants, descriptors int) int {
	if wanted > 0 {
		return wanted
	}
	each := devicesOfProcess
	if descriptors > 0 {
		each = min(each, max(descriptors-spareDescriptors, descriptors/2))
	}
	return min((devices+each-1)/each, tenants)
}

func startPlayer(index int) (*player, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the program of the fleet: %w", err)
	}
	p := &player{cmd: exec.Command(own, "play")}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a process of the fleet: %w", err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting a process of the fleet: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a process of the fleet: %w", err)
	}
	p.requests, p.responses = json.NewEncoder(p.stdin), json.NewDecoder(out)
	p.usage = site.Watch(fmt.Sprintf("fleet %d", index), p.cmd)
	return p, nil
}

func (p *player) send(r fleet.Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.requests.Encode(r); err != nil {
		return fmt.Errorf("sending a request to a process of the fleet: %w", err)
	}
	return nil
}

func (p *player) receive() (r fleet.Response, err error) {
	if err := p.responses.Decode(&r); err != nil {
		return r, fmt.Errorf("reading the response of a process of the fleet, which may have ended: %w", err)
	}
	return r, nil
}

// stop ends the process: it returns when its standard input ends, or is killed.
func (p *player) stop() {
	_ = p.stdin.Close()
	timer := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait()
}

// machine describes this machine for the report.
func machine() string {
	return fmt.Sprintf("%d processors, %s, %s", runtime.NumCPU(), runtime.GOOS+"/"+runtime.GOARCH, runtime.Version())
}
