// Package admin has the commands of the operator of an installation: `fieldgate admin ...`. They
// work on the store, with the packages and the scripts that the gateway uses. They need no running
// instance, and disturb none.
package admin

// Command has the commands of the operator as its fields, in the order of the help. Each is a
// struct with its flags and a method Run. To add one, write it in a file of its own, embed
// storeFlags or changeFlags, and add a field here.
type Command struct {
	Quota quotaCommand `cmd:"" help:"Print the quotas of a tenant, after changing them."`

	Verify verifyCommand `cmd:"" help:"Check every invariant over the whole store. Exits with 1 if one is violated. Changes nothing."`

	RestoreCheck restoreCheckCommand `cmd:"" help:"Check a restored store before instances serve it, and print what is lost and what to do next. Changes nothing."`
}
