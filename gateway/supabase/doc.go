// Package supabase tests the gateway with a real Supabase Auth server on a real PostgreSQL, behind
// a proxy that treats API keys as a hosted project does. It contains only tests.
//
// FIELDGATE_TEST_SUPABASE names the source of Supabase Auth: a checkout of
// github.com/supabase/auth, or a .tar.gz of it. The tests build it, and start everything else that
// they need: PostgreSQL, Redis, a mail server and the gateway's program. Without the variable, they
// are skipped. `make test-supabase` runs them.
package supabase
