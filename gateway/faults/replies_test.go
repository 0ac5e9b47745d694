package faults_test

import (
	"os"
	"testing"
	"time"

	approverlua "github.com/fieldgate/fieldgate/approver/lua"
	customerlua "github.com/fieldgate/fieldgate/customer/lua"
	devicelua "github.com/fieldgate/fieldgate/device/lua"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// callsOf returns the words by which a proxy recognizes the calls of a script of the queue: the
// beginning of the name of its function, as the message has it, and its SHA-1.
func callsOf(name string) []string {
	return []string{"\r\nfieldgate_queue_" + name + "_", store.NewScript(os.DirFS("../../queue"), "lua/"+name+".lua", approverlua.Library, customerlua.Library, devicelua.Library).SHA()}
}

// TestStoreReply_LostAfterScriptRanLosesNothing drops the replies to scripts that have run.
// A client that gets no response may repeat its call.
func TestStoreReply_LostAfterScriptRanLosesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"propose", "decide", "claim", "extend", "release", "result", "cancel"} {
		for what, fault := range map[string]storetest.Fault{"lost": storetest.LoseReply, "cut": storetest.CutReply} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				forEachSeed(t, func(t *testing.T, seed uint64) { runLostReplies(t, seed, name, fault) })
			})
		}
	}
}

func runLostReplies(t *testing.T, seed uint64, name string, fault storetest.Fault) {
	server := storetest.Start(t)
	proxy := storetest.NewProxy(t).ForwardTo(server.Addr())
	s := newSite(t, plan{seed: seed}, "redis://"+proxy.Addr(), server.Client(t))
	rnd := newRandom(seed, 2000)
	injected := 0
	s.runWithFault(func() {
		// On a busy machine, it may take a long time until a client makes a call that runs
		// the script. The time limit for the first fault is therefore 20 s.
		deadline := time.Now().Add(20 * time.Second)
		for until := time.Now().Add(2 * time.Second); injected < 12 && time.Now().Before(until); {
			proxy.Inject(fault, callsOf(name)...)
			if injected == 0 {
				until = deadline
			}
			select {
			case <-proxy.Faulted:
				if injected++; injected == 1 {
					until = time.Now().Add(2 * time.Second)
				}
			case <-time.After(time.Until(until)):
			}
			proxy.Inject(storetest.NoFault)
			sleep(t.Context(), rnd.between(5*time.Millisecond, 80*time.Millisecond))
		}
	})
	if injected == 0 {
		t.Error("no reply was lost, so nothing was tested")
	}
	s.verify()
}
