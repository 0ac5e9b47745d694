// Package admin has the commands of the operator of an installation: `fieldgate admin ...`. They
// work on the store, with the packages and the scripts that the gateway uses. They need no running
// instance, and disturb none.
package admin

// Command has the commands of the operator as its fields, in the order of the help. Each is a
// struct with its flags and a method Run. To add one, write it in a file of its own, embed
// storeFlags or changeFlags, and add a field here.
type Command struct {
	Tenants    tenantsCommand    `cmd:"" help:"List the tenants that have devices, with what each uses."`
	Devices    devicesCommand    `cmd:"" help:"List the devices of a tenant."`
	Device     deviceCommand     `cmd:"" help:"Print a device: its record, logins, sockets, session and unfinished commands."`
	Command    commandCommand    `cmd:"" help:"Print a command: its state, claims, result and timeline."`
	Sessions   sessionsCommand   `cmd:"" help:"List or close support sessions."`
	Kick       kickCommand       `cmd:"" help:"End the logins of devices and close sockets."`
	Users      usersCommand      `cmd:"" help:"Cut users off, or list who is cut off."`
	Quarantine quarantineCommand `cmd:"" help:"List, restore or drop records that were set aside."`
	Usage      usageCommand      `cmd:"" help:"Print what tenants use of their quotas."`
	Quota      quotaCommand      `cmd:"" help:"Print the quotas of a tenant, after changing them."`
	Rate       rateCommand       `cmd:"" help:"Reset the rate limit of a tenant."`
	Policy     policyCommand     `cmd:"" help:"Print, replace or evaluate the policy of a tenant."`
	Schema     schemaCommand     `cmd:"" help:"Raise the schema of the data after an upgrade of all instances."`

	Verify       verifyCommand       `cmd:"" help:"Check every invariant over the whole store. Exits with 1 if one is violated. Changes nothing."`
	RestoreCheck restoreCheckCommand `cmd:"" help:"Check a restored store before instances serve it, and print what is lost and what to do next. Changes nothing."`
	Export       exportCommand       `cmd:"" help:"Print all records of a tenant, one JSON object a line, without secrets."`
	Purge        purgeCommand        `cmd:"" help:"Erase a tenant or a device with all records, or the names of a user, at once and for ever."`
}
