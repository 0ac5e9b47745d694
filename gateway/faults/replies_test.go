package faults_test

import (
	"os"
	"testing"
	"time"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// script gives the name by which a server knows a script of the queue.
func script(name string) string {
	return store.NewScript(os.DirFS("../../queue"), "lua/"+name+".lua").SHA()
}

// Whoever is not answered may ask again, whatever had become of the first request.
func TestStoreReply_LostAfterScriptRanLosesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"propose", "decide", "claim", "extend", "release", "result", "cancel"} {
		for what, fault := range map[string]storetest.Fault{"lost": storetest.Lose, "cut": storetest.Cut} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				each(t, func(t *testing.T, seed uint64) { repliesAreLost(t, seed, name, fault) })
			})
		}
	}
}

func repliesAreLost(t *testing.T, seed uint64, name string, fault storetest.Fault) {
	server := storetest.Start(t)
	wire := storetest.NewWire(t).To(server.Addr())
	s := newSite(t, plan{seed: seed}, "redis://"+wire.Addr(), server.Client(t))
	roll := newDice(seed, 2000)
	suffered := 0
	s.under(func() {
		// A busy machine may take its time until anybody does what is to suffer.
		patience := time.Now().Add(20 * time.Second)
		for over := time.Now().Add(2 * time.Second); suffered < 12 && time.Now().Before(over); {
			wire.Set(fault, script(name))
			if suffered == 0 {
				over = patience
			}
			select {
			case <-wire.Asked:
				if suffered++; suffered == 1 {
					over = time.Now().Add(2 * time.Second)
				}
			case <-time.After(time.Until(over)):
			}
			wire.Set(storetest.None)
			pause(t.Context(), roll.between(5*time.Millisecond, 80*time.Millisecond))
		}
	})
	if suffered == 0 {
		t.Error("no reply was lost, so nothing was tried")
	}
	s.account()
}
