// Generated from openapi.yaml and asyncapi.yaml by `npm run generate`. Do not edit.

export interface paths {
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tell whether the process is alive
         * @description Answers 200 as long as the process can answer at all, whatever its dependencies do,
         *     and also while it drains. Use it as a liveness probe: restarting the process is the
         *     only cure for its failure. Ask `GET /readyz` whether to send it traffic.
         */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tell whether this instance wants traffic
         * @description For load balancers. An instance is not ready while it starts, while it drains before
         *     a stop, when it has not reached Redis for some seconds, or when it has no usable keys
         *     to verify customers' tokens with. Both answers carry the same report, so that an
         *     operator sees the reason at once. No address and no secret is in it.
         */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/version": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tell the version of the gateway
         * @description Gives the released version and nothing else, for deployment scripts and bug reports.
         *     What an operator may know beyond that is in `GET /api/v1/customer/system/info`,
         *     which needs a login.
         */
        get: operations["getVersion"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.yaml": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get this document as YAML
         * @description The contract as it was written, comments included: the same bytes that the server
         *     enforces on every request. Generate clients from it.
         */
        get: operations["getContractYAML"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get this document as JSON
         * @description The same contract for tools that read no YAML. It is converted from the YAML when
         *     the server starts, so the two never differ in meaning.
         */
        get: operations["getContractJSON"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/asyncapi.yaml": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the contract of the sockets as YAML
         * @description What this document is for requests, that one is for the frames of the two sockets: an
         *     AsyncAPI 3.0 document, as it was written. It takes schemas from this document by
         *     reference, so keep the two beside each other.
         */
        get: operations["getSocketContract"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read this document as a page
         * @description A page for people that shows this document, searches it and lets them try its
         *     operations. Guides are beside it, at `/docs/guides`. It loads everything from this
         *     server, so that it also works where no other host can be reached.
         */
        get: operations["getDocs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Exchange an activation code for a device secret
         * @description The first call of a new device. Send the activation code that its owner was given
         *     when the device was provisioned, and store `deviceId` and `deviceSecret` where they
         *     survive a reboot **before** doing anything else: the secret is shown this once. Case
         *     and dashes of the code do not matter. A device that knows its id may send it too;
         *     the code is then good for that device only.
         *
         *     A code is good for 24 hours and for one device. A wrong, used, expired or foreign
         *     code is always the same 401 `invalid_activation_code`, and a wrong guess never burns
         *     a good code. Attempts are limited per address: on 429 wait for `Retry-After`.
         *
         *     **If the answer is lost**, repeat the call with the same `Idempotency-Key` within 15
         *     minutes and the same secret comes back. Without the key the code is spent, and the
         *     owner must issue a new one.
         */
        post: operations["registerDevice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/auth": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Log in with the device secret
         * @description Exchanges the device's id and secret for a token, to be sent as
         *     `Authorization: Bearer <token>` on all other calls. Each use of the token renews it
         *     for 7 days, up to 30 days from this login. Keep it over a reboot, and log in again
         *     only when a call answers 401 `unauthorized`.
         *
         *     An unknown id and a wrong secret give the same 401 `invalid_credentials`. A device
         *     that an administrator has suspended gets 403 `device_suspended`: ask again rarely,
         *     such as once an hour. 503 says nothing about the credentials: keep them and repeat.
         */
        post: operations["authenticateDevice"];
        /**
         * Log out
         * @description Ends the login whose token this call carries, at once and on every instance. Other
         *     logins of the device stay, and so do its claims: their commands come back to the
         *     queue when their leases run out. Call it before a factory reset or a handover.
         */
        delete: operations["endDeviceLogin"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/heartbeat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Show that the device is alive
         * @description Keeps the device `online` for its owner and tells it what waits: the number of
         *     commands it could claim, and which of its claimed commands somebody wants cancelled.
         *     Send the next one after `nextHeartbeatMs`; a device that misses several is shown as
         *     `stale`, then as `offline`. `serverTime` is good for setting a clock, no more.
         *
         *     A heartbeat is worth nothing once it is old: if one fails, do not repeat it, send
         *     the next one in time. It does not extend leases.
         */
        post: operations["sendHeartbeat"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/commands/claim": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Claim the next commands
         * @description Gives the device up to `limit` of its queued commands, most urgent first, each under
         *     a lease of `visibilityTimeoutMs`. With `waitMs` an empty queue is waited on, so that
         *     a command reaches the device within milliseconds of being queued without polling;
         *     the answer is an empty list when nothing came. Set the client's own timeout some
         *     seconds above `waitMs`, and claim again at once after an empty answer that waited.
         *
         *     For each command: keep `claimToken`, do the work, extend the lease if it takes
         *     longer, and report the result. Ask for no more commands than can be worked on within
         *     the lease; give back what cannot be done with a release.
         *
         *     **If the answer is lost**, repeat with the same `Idempotency-Key` and body: while
         *     the lease lives, the same commands and tokens come back and no attempt is counted.
         *     Use a new key for each new claim. An empty answer is never remembered. Without a
         *     body, the defaults hold.
         */
        post: operations["claimCommands"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/commands/{commandId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        /**
         * Read the state of one of the device's commands
         * @description For a device that has lost track, such as after a reboot: it shows whether the
         *     command is still claimed, how long the lease lasts, and whether cancelling was asked
         *     for. It never shows the claim token; a device that has lost that waits for the
         *     lease to run out and claims again.
         */
        get: operations["getDeviceCommand"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/commands/{commandId}/extend": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Keep a claimed command for longer
         * @description Sets the lease to end `extensionMs` from now, so calling it twice does no harm. Call
         *     it when about a third of the lease is left. The lease never ends later than 12 hours
         *     after the first claim of the command; `leaseRemainingMs` tells what was granted.
         *     When `cancelRequested` is true, somebody wants the work stopped: stop if that is
         *     safe and report `cancelled`.
         *
         *     409 `claim_expired` means that the lease ran out and the command may be claimed
         *     again; finish and report the result, which is recorded unless a newer claim exists.
         *     409 `claim_superseded` means that there is one: stop working. 409 `command_finished`
         *     means that the command has ended; `command` tells how.
         */
        post: operations["extendCommand"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/commands/{commandId}/release": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Give a claimed command back undone
         * @description Puts the command back in its place in line without counting the attempt. Use it when
         *     the device must stop before it has begun, such as for a reboot, or when it claimed
         *     more than it can do. Never release what has been started and cannot be started
         *     twice: report `failed` instead.
         *
         *     The refusals are those of extend: after 409 `claim_expired` there is nothing left to
         *     give back, after 409 `claim_superseded` a newer claim holds the command.
         */
        post: operations["releaseCommand"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/commands/{commandId}/result": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Report what came of a command
         * @description Ends the command. Keep the result until this call has answered 200, over a reboot
         *     too, and repeat it after a timeout or a 5xx: the same result with the same claim
         *     token is answered with what is stored, and `duplicate: true`.
         *
         *     A result that comes after the lease ran out is recorded as well, marked `late`,
         *     unless a newer claim exists (409 `claim_superseded`: drop the result, the newer
         *     claim will report). 409 `command_finished` means that a different result stands. In
         *     both cases `command` tells how the command stands, and the result is not to be sent
         *     again.
         *
         *     Send `cancelled` only when cancelling was asked for and the work was stopped. Cut
         *     `output` to its limit yourself: a body that is too large is refused as a whole.
         */
        post: operations["submitResult"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/ws": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Open the device's socket
         * @description A WebSocket over which the device claims, extends, releases, reports and beats as it
         *     does over HTTP, and is told at once of new commands and of those to be cancelled. Its
         *     frames are in [`asyncapi.yaml`](/asyncapi.yaml). The subprotocol is `fieldgate.v1`.
         *     Authenticate with the device's token, in `Authorization` or as a second subprotocol
         *     `bearer.<token>`; the introduction tells more, under "Sockets".
         *
         *     A device has one socket: a newer one closes the older with 4009, which must then not
         *     connect again. Leases do not depend on the socket: a claim stays a claim while the
         *     device reconnects. The socket ends with one of the close codes in the introduction:
         *     4001 asks for a new login; 4003 says that somebody has revoked the logins, suspended
         *     the device or closed the connection, and is not to be answered by connecting again.
         *
         *     A socket is never needed: whatever it can do, HTTP can do too, and both may be used
         *     at once.
         */
        get: operations["openDeviceSocket"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/devices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the fleet
         * @description Lists the tenant's devices, newest first, a page at a time. Filters may be combined;
         *     a device must meet all of them. Decommissioned devices are listed too: filter by
         *     `status` to leave them out.
         */
        get: operations["listDevices"];
        put?: never;
        /**
         * Provision a device
         * @description Adds a device to the fleet and gives the activation code with which it registers
         *     itself within 24 hours. Hand `activationCode` to whoever installs the device; it is
         *     shown this once, and `instructions` says in plain words what to do with it. If it is
         *     lost or has expired, issue a new one.
         *
         *     `externalId`, such as a serial number, is unique within the tenant: a second device
         *     with it is 409 `external_id_taken`. Send an `Idempotency-Key` so that a repeated
         *     call does not add a second device.
         */
        post: operations["provisionDevice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/devices/{deviceId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        /**
         * Read one device
         * @description Shows the device with what the list leaves out: its last heartbeat and the metrics
         *     in it, the session that is open on it, and how many commands wait for it.
         */
        get: operations["getDevice"];
        put?: never;
        post?: never;
        /**
         * Decommission a device
         * @description Takes the device out of service for good: its logins end at once, its activation
         *     code is dead, and the commands that wait for it are cancelled. Its history stays
         *     readable. This cannot be undone: suspend a device that may come back. Calling it
         *     again answers 204 again.
         */
        delete: operations["decommissionDevice"];
        options?: never;
        head?: never;
        /**
         * Change how a device is described
         * @description Changes the fields that are sent and leaves the others as they are. `tags` replaces
         *     all tags, so send those that stay too; `{}` removes them all. An empty `location`
         *     removes it. The `externalId` of a device cannot be changed. Sending the same change
         *     again does no harm.
         */
        patch: operations["updateDevice"];
        trace?: never;
    };
    "/api/v1/customer/devices/{deviceId}/activation-code": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Issue a new activation code
         * @description Gives a new code, good for 24 hours and one registration; the one before it is dead
         *     from now on. Use it when a code was lost or has expired, or when a device was reset
         *     and must register again: registering gives a new secret, and the old one ends.
         *     With the same `Idempotency-Key` a repeated call gives the same code.
         */
        post: operations["issueActivationCode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/devices/{deviceId}/suspend": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Suspend a device
         * @description Shuts the device out until it is resumed: its logins end at once, its sockets are
         *     closed, and it cannot log in. Its commands stay in the queue and may expire there.
         *     Use it when a device is lost or behaves badly. Suspending a suspended device
         *     changes nothing and answers 200.
         */
        post: operations["suspendDevice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/devices/{deviceId}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Let a suspended device work again
         * @description Lets the device log in again. The logins that suspending ended stay ended: the
         *     device logs in with its secret, which it still has, and finds its queued commands
         *     where they were. Resuming a device that is not suspended changes nothing and
         *     answers 200.
         */
        post: operations["resumeDevice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/devices/{deviceId}/revoke-logins": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End all logins of a device
         * @description Ends every login of the device at once, on every instance, and closes its sockets,
         *     but lets it log in again with its secret. Use it when a token may have leaked. If
         *     the secret itself may have leaked, suspend the device and issue a new activation
         *     code. Calling it again does no harm.
         */
        post: operations["revokeDeviceLogins"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List sessions
         * @description Lists the tenant's sessions, newest first, a page at a time; without the commands in
         *     them. With `deviceId` it is the history of one device, with `status=active` it is what
         *     goes on now. A device that is not the tenant's gives an empty list.
         */
        get: operations["listSessions"];
        put?: never;
        /**
         * Open a support session
         * @description Opens the frame in which commands are proposed for one device. A device has one active
         *     session at most: 409 `session_active` names it in `sessionId`, so that you can join it.
         *     The session ends when it is closed or when `expiresInSeconds` have passed; its commands
         *     that nobody has claimed end with it. 409 `device_not_active` means that the device is
         *     not registered yet or is suspended; it need not be online.
         */
        post: operations["openSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        /**
         * Read one session and its commands
         * @description Shows the session with its commands, oldest first, up to 200 of them; read the rest with
         *     `GET .../commands`. To follow a session as it happens, subscribe to its room on the
         *     customer socket instead of asking again and again.
         */
        get: operations["getSession"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/close": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Close a session
         * @description Ends the session: its commands that wait for approval or for the device are `expired`.
         *     A command that the device has claimed goes on and reports its result into the closed
         *     session; cancel it first to stop it. Closing a closed session changes nothing and
         *     answers 200.
         */
        post: operations["closeSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/commands": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        /**
         * List the commands of a session
         * @description Lists the session's commands in the order they were proposed, a page at a time, each
         *     with its result once it has one. The list shows how things stand now; the timeline of
         *     the session shows how they came to be so.
         */
        get: operations["listCommands"];
        put?: never;
        /**
         * Propose a command
         * @description The only way for work to reach a device. The policy of the gateway looks at `type` and
         *     lets the command run (`queued`), asks for a decision (`pending_approval`), or forbids it
         *     (403 `command_denied`). Unless it was set up otherwise, `diagnostic.*` runs and
         *     everything else needs a decision. From here on the command cannot change: to correct
         *     it, cancel it and propose another.
         *
         *     Send an `Idempotency-Key`: a repeated call without one is a second command. 409
         *     `session_closed` means that the session has ended: open another. 429
         *     `device_queue_full` means that 100 commands wait for the device already: cancel some,
         *     or wait until it has worked on them.
         */
        post: operations["proposeCommand"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/commands/{commandId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        /**
         * Read one command
         * @description Shows all there is to know of the command: the decision, every attempt of the device,
         *     and the result. Read it before deciding over the command, and send its `digest` along
         *     with the decision.
         */
        get: operations["getCommand"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a command
         * @description A command that nobody has claimed is `cancelled` at once. One that the device works on
         *     stays `claimed` with `cancelRequested`: the device is told at its next extend or
         *     heartbeat, or at once over its socket, and then reports `cancelled`, or its result if it
         *     was faster. Watch the command to learn which. Cancelling twice does no harm; 409
         *     `command_finished` means that it had ended otherwise.
         */
        post: operations["cancelCommand"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Propose a command again
         * @description Proposes a new command with the type, parameters and limits of one that has ended; its
         *     `retryOf` names the old one. It goes through the policy again, so a command that needed
         *     a decision needs a new one: an approval is good for one execution. 409
         *     `command_not_finished` means that the old one may still run.
         */
        post: operations["retryCommand"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/approve": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Approve or reject a command
         * @description Decides over a command that waits: `approved: true` puts it in the device's queue,
         *     `approved: false` ends it as `rejected`. The decision is kept with who made it, when and
         *     why, and cannot be made twice: the same decision by the same person is answered with the
         *     recorded one, any other gets 409 `already_decided` and the `approval` that stands.
         *
         *     Send the `digest` of the command that the person saw: if it is not that of this command,
         *     the answer is 409 `digest_mismatch` and nothing is decided. After `approveBy` the answer
         *     is 409 `approval_expired`. Where a tenant has several people, whoever proposed a command
         *     may not approve it (403 `self_approval`), but may reject it.
         */
        post: operations["decideCommand"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/events": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        /**
         * Read the timeline of a session
         * @description Tells who did what, when, and with which request, oldest first. The timeline is written
         *     together with each change, so nothing that happened is missing from it, and it is kept
         *     as long as the session is. It is the record to show to an auditor; to follow a session
         *     live, use its room on the customer socket.
         */
        get: operations["listSessionEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/approvals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the commands that wait for a decision
         * @description The inbox of an approver: the commands of all sessions that wait for a decision, the
         *     oldest at the top. `mayDecide` tells whether the caller could decide
         *     over the command, and `whyNot` says why not, so that a page can show the button or the
         *     reason without trying.
         */
        get: operations["listApprovals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/ws-tickets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Get a ticket that opens a socket
         * @description For browsers, which cannot set a header on a WebSocket: gives a ticket to open
         *     `GET /api/v1/customer/ws?ticket=...` with, within 30 seconds and once. The socket then
         *     has the rights of this call and ends with its token (close code 4001), unless it sends
         *     `refresh` with a newer one.
         *
         *     A ticket that a web page asks for opens a socket for pages of that origin only. A
         *     program that asks on behalf of a page names the page's `origin`. If the answer is lost,
         *     ask again: a ticket that nobody uses is gone after its 30 seconds, and so there is no
         *     `Idempotency-Key` here.
         */
        post: operations["issueTicket"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/ws": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Open a customer's socket
         * @description A WebSocket that tells what happens while it happens: subscribe to the room of a
         *     device, of a session, or of the whole tenant, and its events come in the order in which
         *     they happened. After a lost connection, subscribe with the `offset` of the last event
         *     that came, and what was missed comes first. Its frames are in
         *     [`asyncapi.yaml`](/asyncapi.yaml). The subprotocol is `fieldgate.v1`.
         *
         *     Authenticate with a JWT, in `Authorization` or as a second subprotocol `bearer.<token>`,
         *     or, in a browser, with a `ticket`; the introduction tells more, under "Sockets". A
         *     JWT in the address is refused. The origin of a page must be the gateway's own or one
         *     that its operator has allowed, or the answer is 403 `origin_not_allowed`.
         *
         *     The socket ends with its token (close code 4001), unless it was renewed in time with
         *     `refresh`; the other close codes are in the introduction.
         */
        get: operations["openCustomerSocket"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/connections": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List who is connected
         * @description Lists the tenant's open sockets, those of devices and those of people, on all instances
         *     of the gateway, a page at a time. A socket whose instance has died is gone from the list
         *     within 45 seconds. The id of one's own socket is in the `welcome` that it got.
         */
        get: operations["listConnections"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/connections/{connectionId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the connection. */
                connectionId: components["parameters"]["ConnectionInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Close somebody's socket
         * @description Closes one of the tenant's sockets with 4003, whichever instance holds it. Well-behaved
         *     clients do not connect again by themselves, but nothing keeps them from it: to shut a
         *     device out, suspend it. Its claims and its login stay. A connection that has ended
         *     already is 404 `connection_not_found`, which also answers a repeated call.
         */
        delete: operations["closeConnection"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/system/info": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Describe the running gateway
         * @description What an operator asks first when something is odd: which build answers, how long it has
         *     been up, how its services do, and how many sockets it holds. It describes the instance
         *     that answers, so behind a balancer repeated calls may differ. It holds no secret and no
         *     address.
         */
        get: operations["getSystemInfo"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description The id of a device.
         * @example dev_7k01jd3q8zv6m4y2x9n5t0c8hbra
         */
        DeviceId: string;
        /**
         * @description The id of a session.
         * @example ses_7k01jd3qb5w8k2r6f0d4s7g1p3en
         */
        SessionId: string;
        /**
         * @description The id of a command.
         * @example cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm
         */
        CommandId: string;
        /**
         * @description The id of an open socket.
         * @example con_3FYMTQ7KJ2VCX5LWAHB6NEUZDO
         */
        ConnectionId: string;
        /** @description An id of this gateway. One that names nothing of yours answers 404, whatever it looks like. */
        AnyId: string;
        /**
         * @description The id of a request, the caller's own or one made for it.
         * @example 01JD3QC9A5H7V2J8W4E6B0T1XM
         */
        RequestId: string;
        /**
         * @description The id of a person or program at the customer, the `sub` of its JWT.
         * @example 9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90
         */
        UserId: string;
        /**
         * @description What kind of work it is, as the device knows it: words of letters, digits, `_` and
         *     `-`, joined by dots. The policy goes by it, and `diagnostic.*` is for work that
         *     changes nothing on the device.
         * @example service.restart
         */
        CommandType: string;
        /**
         * @description The input of the command. The JSON value reaches the device unchanged, numbers of
         *     any size included; spaces and the order of names may change. 32 KiB at most.
         * @example {
         *       "service": "telemetry",
         *       "graceSeconds": 10
         *     }
         */
        CommandParameters: {
            [key: string]: unknown;
        };
        /**
         * @description What the command gave, for programs. The JSON value is kept unchanged, numbers of
         *     any size included; spaces and the order of names may change.
         * @example {
         *       "pid": 4711
         *     }
         */
        ResultData: {
            [key: string]: unknown;
        };
        /**
         * @description Labels of the tenant's own choosing, to find devices by. A key has 1 to 64 letters,
         *     digits, `.`, `_` and `-`.
         * @example {
         *       "site": "leipzig",
         *       "line": "cooling"
         *     }
         */
        Tags: {
            [key: string]: components["schemas"]["TagValue"];
        };
        TagValue: string;
        /**
         * @description Readings by name, as the device counts them. The newest replace all before.
         * @example {
         *       "cpuPercent": 12.5,
         *       "temperatureCelsius": 41
         *     }
         */
        Metrics: {
            [key: string]: components["schemas"]["MetricValue"];
        };
        /** Format: double */
        MetricValue: number;
        /**
         * @description Where the device stands with its owner. `provisioned`: waits to be registered;
         *     `active`: may work; `suspended`: shut out until resumed; `decommissioned`: out of
         *     service for good. More values may come; tolerate those you do not know.
         * @enum {string}
         */
        DeviceStatus: "provisioned" | "active" | "suspended" | "decommissioned";
        /**
         * @description Whether the device shows itself. `never_connected`: not once; `online`: lately;
         *     `stale`: a heartbeat is overdue; `offline`: not for some time. More values may come;
         *     tolerate those you do not know.
         * @enum {string}
         */
        DevicePresence: "never_connected" | "online" | "stale" | "offline";
        /**
         * @description How the device judges its own state. It is shown to its owner and changes nothing else.
         * @enum {string}
         */
        HeartbeatStatus: "ok" | "busy" | "degraded" | "error";
        /**
         * @description What the session is for. It is shown and filtered by, and does not limit the commands in it.
         * @enum {string}
         */
        SessionType: "diagnostic" | "remediation";
        /**
         * @description `active`: takes commands; `closed`: ended by a person; `expired`: its time ran out.
         *     More values may come; tolerate those you do not know.
         * @enum {string}
         */
        SessionStatus: "active" | "closed" | "expired";
        /**
         * @description Where the command stands; see "The life of a command". `pending_approval`, `queued`
         *     and `claimed` can still change, and so can `timed_out`, if a late result comes. More
         *     values may come; tolerate those you do not know.
         * @enum {string}
         */
        CommandStatus: "pending_approval" | "queued" | "claimed" | "succeeded" | "failed" | "timed_out" | "rejected" | "cancelled" | "expired";
        /**
         * @description `succeeded`: done; `failed`: tried and not done; `cancelled`: stopped because
         *     cancelling was asked for.
         * @enum {string}
         */
        ResultStatus: "succeeded" | "failed" | "cancelled";
        /**
         * @description What was decided.
         * @enum {string}
         */
        Decision: "approved" | "rejected";
        /**
         * @description Which commands to list.
         * @default pending
         * @enum {string}
         */
        ApprovalStatus: "pending";
        /**
         * @description Who is connected, a device or a customer. More values may come.
         * @enum {string}
         */
        ConnectionKind: "device" | "customer";
        /**
         * @description Who acted; `system` is the gateway itself. More values may come.
         * @enum {string}
         */
        ActorKind: "user" | "device" | "system";
        /** @description Why a request was refused (RFC 9457). */
        Problem: {
            /**
             * Format: uri-reference
             * @description The page of the code on this gateway, `/docs/errors/` and the code.
             */
            type: string;
            /** @description The problem in a few words, the same for each of its kind. */
            title: string;
            /** @description The HTTP status, for programs that see the body only. */
            status: number;
            /** @description A sentence about this occurrence, for people. It never repeats what the caller sent. */
            detail?: string;
            code: components["schemas"]["ProblemCode"];
            requestId: components["schemas"]["RequestId"];
            /** @description Each part of the request that is wrong. Only with `validation_failed`. */
            errors?: components["schemas"]["FieldError"][];
            command?: components["schemas"]["CommandState"];
            sessionId?: components["schemas"]["SessionId"];
            approval?: components["schemas"]["Approval"];
        };
        /**
         * @description What kind of problem it is, stable, for programs. The table under "Errors" explains
         *     each. New codes may come; treat one that you do not know by its HTTP status.
         * @example claim_superseded
         */
        ProblemCode: string;
        /** @description One part of a request that does not follow this document. */
        FieldError: {
            /**
             * @description A JSON pointer into the body, or `/query/...`, `/path/...` or `/header/...` and
             *     the name of the parameter.
             * @example /limit
             */
            pointer: string;
            /**
             * @description The rule that is broken, such as `maxLength` or `required`.
             * @example maximum
             */
            keyword: string;
            /**
             * @description The rule in words, without the value that broke it.
             * @example number must be at most 10
             */
            reason: string;
        };
        /** @description How the command stands that the problem is about, to save a second request. */
        CommandState: {
            id: components["schemas"]["CommandId"];
            status: components["schemas"]["CommandStatus"];
            /** @description The number of the newest attempt; 0 before the first claim. */
            attempt: number;
        };
        /** @description A sign of life. */
        Health: {
            /**
             * @description Always `ok`.
             * @enum {string}
             */
            status: "ok";
            /**
             * Format: date-time
             * @description The time of the process.
             */
            timestamp: string;
        };
        /** @description Whether this instance wants traffic, and why. */
        Readiness: {
            /** @description Whether to send traffic. */
            ready: boolean;
            /** @description Whether the instance is about to stop. */
            draining: boolean;
            checks: components["schemas"]["ReadinessChecks"];
        };
        /** @description What the instance needs to work. */
        ReadinessChecks: {
            redis: components["schemas"]["DependencyCheck"];
            supabase: components["schemas"]["DependencyCheck"];
        };
        /** @description How one service does, seen from this instance. */
        DependencyCheck: {
            /** @description Whether the service does what it is needed for. */
            ok: boolean;
            /**
             * Format: double
             * @description How long its last answer took, in milliseconds.
             */
            latencyMs?: number;
            /** @description What is wrong, in general words, without addresses. */
            error?: string;
        };
        /** @description The version and nothing else. */
        Version: {
            /** @description The released version; `dev` for a build of one's own. */
            version: string;
        };
        /** @description This document. */
        ContractText: string;
        /** @description This document, an OpenAPI 3.0 object. */
        ContractObject: {
            [key: string]: unknown;
        };
        /** @description What a new device sends to get its secret. */
        RegisterDeviceRequest: {
            /** @description The code from provisioning, `XXXX-XXXX-XXXX`. Case and dashes do not matter. */
            activationCode: string;
            /**
             * @description The id of the device, if it knows it. The code is then good for this device only.
             *     Like the code it is compared, so a wrong one is 401 and not 400.
             */
            deviceId?: string;
            metadata?: components["schemas"]["DeviceMetadata"];
        };
        /**
         * @description What the device says of itself, as strings. `model` and `firmwareVersion` are shown
         *     to its owner; any others are kept with it. The three named here count towards the
         *     32 that are allowed.
         * @example {
         *       "model": "PX-400",
         *       "firmwareVersion": "2.8.1",
         *       "serialNumber": "PX4-001873"
         *     }
         */
        DeviceMetadata: {
            /** @description What kind of device it is. */
            model?: string;
            /** @description The firmware that it runs. */
            firmwareVersion?: string;
            /** @description The number on its label. */
            serialNumber?: string;
        } & {
            [key: string]: components["schemas"]["MetadataValue"];
        };
        MetadataValue: string;
        /** @description The identity of a device. The secret is shown this once. */
        RegisteredDevice: {
            deviceId: components["schemas"]["DeviceId"];
            /** @description The secret to log in with, 256 random bits. Treat it as a string. */
            deviceSecret: string;
            /**
             * Format: date-time
             * @description When the device was registered first.
             */
            registeredAt: string;
        };
        /** @description The credentials of a device, as registering gave them. */
        AuthenticateDeviceRequest: {
            /** @description The id of the device. It is compared, so a wrong one is 401 and not 400. */
            deviceId: string;
            /** @description The secret of the device. */
            deviceSecret: string;
        };
        /** @description A login of a device. */
        DeviceLogin: {
            /** @description The token to send as a bearer token. Treat it as a string. */
            token: string;
            /** @description How long the token lives if it is not used. Each use renews it. */
            expiresInSeconds: number;
            /**
             * Format: date-time
             * @description The same as a time of the server.
             */
            expiresAt: string;
            deviceId: components["schemas"]["DeviceId"];
        };
        /** @description How the device does. */
        HeartbeatRequest: {
            status: components["schemas"]["HeartbeatStatus"];
            metrics?: components["schemas"]["Metrics"];
            /** @description The firmware that runs now, if it may have changed. */
            firmwareVersion?: string;
        };
        /** @description What waits for the device. */
        HeartbeatReply: {
            /**
             * Format: date-time
             * @description The time of the server.
             */
            serverTime: string;
            /** @description When to send the next heartbeat, in milliseconds from now. */
            nextHeartbeatMs: number;
            /** @description How many commands the device could claim now. */
            pendingCommands: number;
            /** @description Commands that the device has claimed and somebody wants cancelled. */
            cancelRequested: components["schemas"]["CommandId"][];
        };
        /** @description How much work to claim, and for how long. */
        ClaimRequest: {
            /**
             * @description How many commands at most.
             * @default 1
             */
            limit?: number;
            /**
             * @description How long the lease of each command lasts, in milliseconds.
             * @default 300000
             */
            visibilityTimeoutMs?: number;
            /**
             * @description How long to wait for a command if there is none, in milliseconds.
             * @default 0
             */
            waitMs?: number;
        };
        /** @description What the device is to do, most urgent first. */
        ClaimedCommands: {
            /** @description The commands, each under a lease of its own. */
            commands: components["schemas"]["ClaimedCommand"][];
        };
        /** @description A command and the lease on it. */
        ClaimedCommand: {
            id: components["schemas"]["CommandId"];
            sessionId: components["schemas"]["SessionId"];
            type: components["schemas"]["CommandType"];
            parameters: components["schemas"]["CommandParameters"];
            priority: components["schemas"]["Priority"];
            /** @description Which attempt this is; above 1, an earlier one may have begun the work. */
            attempt: number;
            maxAttempts: components["schemas"]["MaxAttempts"];
            claimToken: components["schemas"]["ClaimToken"];
            /**
             * Format: date-time
             * @description When the device claimed it.
             */
            claimedAt: string;
            /**
             * Format: date-time
             * @description When the lease ends, by the clock of the server.
             */
            visibleUntil: string;
            leaseRemainingMs: components["schemas"]["LeaseRemainingMs"];
            /**
             * Format: date-time
             * @description Until when the command could be claimed.
             */
            deliverBy: string;
            requestId: components["schemas"]["RequestId"];
            approval?: components["schemas"]["ClaimApproval"];
        };
        /** @description Who approved the command. Absent where none was needed. */
        ClaimApproval: {
            decidedBy: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description When it was approved.
             */
            decidedAt: string;
        };
        /**
         * @description How urgent it is, 9 first.
         * @example 5
         */
        Priority: number;
        /**
         * @description How often the command may be claimed before it times out.
         * @example 1
         */
        MaxAttempts: number;
        /**
         * @description The proof of a claim, from the answer to it. Treat it as a string.
         * @example t4Xn8qLz2vRb6mKc
         */
        ClaimToken: string;
        /**
         * @description How much of the lease is left, in milliseconds. Count down from it with a clock that never jumps.
         * @example 60000
         */
        LeaseRemainingMs: number;
        /** @description For how much longer to keep the command. */
        ExtendRequest: {
            claimToken: components["schemas"]["ClaimToken"];
            /** @description How long the lease is to last from now, in milliseconds. */
            extensionMs: number;
        };
        /** @description The lease as it stands. */
        Lease: {
            commandId: components["schemas"]["CommandId"];
            /**
             * Format: date-time
             * @description When the lease ends, by the clock of the server.
             */
            visibleUntil: string;
            leaseRemainingMs: components["schemas"]["LeaseRemainingMs"];
            /** @description Whether somebody wants the work stopped. */
            cancelRequested: boolean;
        };
        /** @description Which claim to give up, and why. */
        ReleaseRequest: {
            claimToken: components["schemas"]["ClaimToken"];
            reason?: components["schemas"]["Reason"];
        };
        /** @description How the command stands after it was given back. */
        ReleasedCommand: {
            commandId: components["schemas"]["CommandId"];
            status: components["schemas"]["CommandStatus"];
        };
        /** @description What came of the command. */
        ResultRequest: {
            claimToken: components["schemas"]["ClaimToken"];
            status: components["schemas"]["ResultStatus"];
            /** @description What the command printed, for people, in UTF-8. Cut it to the limit yourself. */
            output?: string;
            /** @description Why it failed, for people. */
            error?: string;
            data?: components["schemas"]["ResultData"];
            /**
             * Format: date-time
             * @description When the device began the work, by its own clock. It is shown, and nothing is computed from it.
             */
            executedAt?: string;
            /**
             * Format: int64
             * @description How long the work took, in milliseconds.
             */
            durationMs?: number;
        };
        /** @description How the command stands after its result. */
        RecordedResult: {
            commandId: components["schemas"]["CommandId"];
            status: components["schemas"]["CommandStatus"];
            /** @description Whether the result came after the lease had run out. */
            late: boolean;
            /** @description Whether the same result was stored before. */
            duplicate: boolean;
        };
        /** @description How a command stands, as its device may see it. */
        DeviceCommand: {
            id: components["schemas"]["CommandId"];
            sessionId: components["schemas"]["SessionId"];
            type: components["schemas"]["CommandType"];
            priority: components["schemas"]["Priority"];
            status: components["schemas"]["CommandStatus"];
            attempt: components["schemas"]["AttemptCount"];
            maxAttempts: components["schemas"]["MaxAttempts"];
            /**
             * Format: date-time
             * @description Until when the command can be claimed.
             */
            deliverBy: string;
            /**
             * Format: date-time
             * @description When it was claimed last.
             */
            claimedAt?: string;
            /**
             * Format: date-time
             * @description When the lease ends. Only while it is claimed.
             */
            visibleUntil?: string;
            leaseRemainingMs?: components["schemas"]["LeaseRemainingMs"];
            /**
             * Format: date-time
             * @description When it ended.
             */
            finishedAt?: string;
            /** @description Whether somebody wants the work stopped. */
            cancelRequested: boolean;
            /** @description Whether its result came after the lease had run out. */
            late: boolean;
        };
        /**
         * @description How often the command was claimed; a claim that was released does not count.
         * @example 1
         */
        AttemptCount: number;
        /** @description A device to be added to the fleet. */
        ProvisionDeviceRequest: {
            name: components["schemas"]["DeviceName"];
            externalId?: components["schemas"]["ExternalId"];
            location?: components["schemas"]["DeviceLocation"];
            tags?: components["schemas"]["Tags"];
        };
        /** @description What to change. Fields that are not sent stay as they are. */
        UpdateDeviceRequest: {
            name?: components["schemas"]["DeviceName"];
            location?: components["schemas"]["DeviceLocation"];
            tags?: components["schemas"]["Tags"];
        };
        /**
         * @description What people call the device.
         * @example Pump station 12
         */
        DeviceName: string;
        /**
         * @description The customer's own id of the device, such as its serial number, unique within the tenant.
         * @example PX4-001873
         */
        ExternalId: string;
        /**
         * @description Where the device is, in words.
         * @example Hall 3, Leipzig
         */
        DeviceLocation: string;
        /** @description A new device and the code that it registers with. */
        ProvisionedDevice: {
            device: components["schemas"]["Device"];
            /** @description The code, shown this once. */
            activationCode: string;
            /**
             * Format: date-time
             * @description Until when the code is good.
             */
            activationExpiresAt: string;
            /** @description What to do with the code, in plain words for whoever installs the device. */
            instructions: string;
        };
        /** @description A code that a device registers with. */
        ActivationCode: {
            /** @description The code, shown this once. */
            activationCode: string;
            /**
             * Format: date-time
             * @description Until when the code is good.
             */
            activationExpiresAt: string;
        };
        /**
         * @description A device of the fleet. `lastHeartbeat`, `metrics`, `activeSessionId` and
         *     `pendingCommands` are only there when one device is read.
         */
        Device: {
            id: components["schemas"]["DeviceId"];
            externalId?: components["schemas"]["ExternalId"];
            name: components["schemas"]["DeviceName"];
            location?: components["schemas"]["DeviceLocation"];
            tags: components["schemas"]["Tags"];
            status: components["schemas"]["DeviceStatus"];
            presence: components["schemas"]["DevicePresence"];
            /**
             * Format: date-time
             * @description When the device was last heard of. Absent if it never was.
             */
            lastSeen?: string;
            /**
             * Format: date-time
             * @description When it was provisioned.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description When it registered itself.
             */
            registeredAt?: string;
            /** @description The firmware, as the device said last. */
            firmwareVersion?: string;
            /** @description The model, as the device said when it registered. */
            model?: string;
            lastHeartbeat?: components["schemas"]["LastHeartbeat"];
            metrics?: components["schemas"]["Metrics"];
            activeSessionId?: components["schemas"]["SessionId"];
            /** @description How many commands wait for the device to claim them. */
            pendingCommands?: number;
        };
        /** @description The newest heartbeat of a device. Absent if there was none. */
        LastHeartbeat: {
            status: components["schemas"]["HeartbeatStatus"];
            /**
             * Format: date-time
             * @description When it came.
             */
            receivedAt: string;
        };
        /** @description A page of devices. */
        DeviceList: {
            /** @description The items of this page. */
            items: components["schemas"]["Device"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /**
         * @description Pass it as `cursor` to get the next page. Absent on the last one.
         * @example MDFqZDNxOHp2Ng
         */
        NextCursor: string;
        /**
         * @description Why, in words, for those who read the timeline later.
         * @example agreed with the site
         */
        Reason: string;
        /** @description Why it is done. The body may be left out. */
        ReasonRequest: {
            reason?: components["schemas"]["Reason"];
        };
        /** @description The session to open. */
        OpenSessionRequest: {
            deviceId: components["schemas"]["AnyId"];
            type: components["schemas"]["SessionType"];
            /** @description What it is about, in words. */
            description?: string;
            /**
             * @description How long the session lasts at most, in seconds.
             * @default 3600
             */
            expiresInSeconds?: number;
        };
        /** @description A support session on one device. */
        Session: {
            id: components["schemas"]["SessionId"];
            deviceId: components["schemas"]["DeviceId"];
            type: components["schemas"]["SessionType"];
            status: components["schemas"]["SessionStatus"];
            /** @description What it is about, in words. */
            description?: string;
            createdBy: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description When it was opened.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description When it ends by itself.
             */
            expiresAt: string;
            /**
             * Format: date-time
             * @description When it ended. Absent while it is active.
             */
            closedAt?: string;
            /** @description The commands in it, oldest first. Only there when one session is read. */
            commands?: components["schemas"]["Command"][];
        };
        /** @description A page of sessions. */
        SessionList: {
            /** @description The items of this page. */
            items: components["schemas"]["Session"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description The command to propose. */
        ProposeCommandRequest: {
            type: components["schemas"]["CommandType"];
            parameters?: components["schemas"]["CommandParameters"];
            /**
             * @description How urgent it is, 9 first.
             * @default 5
             */
            priority?: number;
            reason?: components["schemas"]["Reason"];
            /**
             * @description How often the command may be claimed before it times out. Unless given, 1 where
             *     a decision is needed and 3 elsewhere.
             */
            maxAttempts?: number;
            /**
             * @description How long the command may wait for the device, in seconds from now. Unless
             *     given, 24 hours. The end of the session ends the wait in any case.
             */
            deliverWithinSeconds?: number;
        };
        /** @description A piece of work for one device. Once proposed, what it asks for never changes. */
        Command: {
            id: components["schemas"]["CommandId"];
            sessionId: components["schemas"]["SessionId"];
            deviceId: components["schemas"]["DeviceId"];
            type: components["schemas"]["CommandType"];
            parameters: components["schemas"]["CommandParameters"];
            priority: components["schemas"]["Priority"];
            status: components["schemas"]["CommandStatus"];
            attempt: components["schemas"]["AttemptCount"];
            maxAttempts: components["schemas"]["MaxAttempts"];
            /**
             * @description SHA-256, in hexadecimal, over the tenant, the device, the type, the parameters
             *     and the limits: what a decision is about.
             */
            digest: string;
            proposedBy: components["schemas"]["UserId"];
            reason?: components["schemas"]["Reason"];
            requestId: components["schemas"]["RequestId"];
            retryOf?: components["schemas"]["CommandId"];
            /**
             * Format: date-time
             * @description When it was proposed.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description Until when it can be decided over. Absent where no decision is needed.
             */
            approveBy?: string;
            /**
             * Format: date-time
             * @description Until when the device can claim it.
             */
            deliverBy: string;
            /**
             * Format: date-time
             * @description When the device claimed it last.
             */
            claimedAt?: string;
            /**
             * Format: date-time
             * @description When the lease ends. Only while it is claimed.
             */
            visibleUntil?: string;
            /**
             * Format: date-time
             * @description When it ended.
             */
            finishedAt?: string;
            /** @description Whether somebody wants the work stopped. */
            cancelRequested: boolean;
            /** @description Whether its result came after the lease had run out. */
            late: boolean;
            approval?: components["schemas"]["Approval"];
            result?: components["schemas"]["CommandResult"];
            /** @description Each claim of the command, oldest first. Only there when one command is read. */
            attempts?: components["schemas"]["CommandAttempt"][];
            /** @description Whether the caller may decide over it. Only in the list of approvals. */
            mayDecide?: boolean;
            /** @description Why the caller may not decide over it. Only in the list of approvals. */
            whyNot?: string;
        };
        /** @description The decision over a command. It is made once and never changes. */
        Approval: {
            decision: components["schemas"]["Decision"];
            decidedBy: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description When it was decided.
             */
            decidedAt: string;
            reason?: components["schemas"]["Reason"];
        };
        /** @description What the device reported. Absent until it has. */
        CommandResult: {
            /** @description What the command printed. */
            output?: string;
            /** @description Why it failed. */
            error?: string;
            data?: components["schemas"]["ResultData"];
            /**
             * Format: date-time
             * @description When the device began the work, by its own clock.
             */
            executedAt?: string;
            /**
             * Format: int64
             * @description How long the work took, in milliseconds.
             */
            durationMs?: number;
        };
        /** @description One claim of a command and what came of it. */
        CommandAttempt: {
            attempt: components["schemas"]["AttemptCount"];
            /**
             * Format: date-time
             * @description When the device claimed it.
             */
            claimedAt: string;
            /**
             * Format: date-time
             * @description When the claim ended. Absent while it lasts.
             */
            endedAt?: string;
            /**
             * @description How the claim ended: `released`, `requeued` (the lease ran out), `timed_out`,
             *     `succeeded`, `failed` or `cancelled`. More values may come.
             */
            outcome?: string;
        };
        /** @description A page of commands. */
        CommandList: {
            /** @description The items of this page. */
            items: components["schemas"]["Command"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description A decision over one command. */
        DecisionRequest: {
            commandId: components["schemas"]["AnyId"];
            /** @description Whether the command may run. */
            approved: boolean;
            reason?: components["schemas"]["Reason"];
            /** @description The `digest` of the command that was looked at. If it differs, nothing is decided. */
            digest?: string;
        };
        /** @description The command with the decision over it. */
        DecidedCommand: {
            command: components["schemas"]["Command"];
        };
        /** @description A page of a timeline. */
        EventList: {
            /** @description The items of this page. */
            items: components["schemas"]["Event"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description One thing that happened. */
        Event: {
            /** @description The place of the event in the timeline. */
            id: string;
            type: components["schemas"]["EventType"];
            /**
             * Format: date-time
             * @description When it happened.
             */
            time: string;
            actor?: components["schemas"]["Actor"];
            requestId?: components["schemas"]["RequestId"];
            deviceId?: components["schemas"]["DeviceId"];
            sessionId?: components["schemas"]["SessionId"];
            commandId?: components["schemas"]["CommandId"];
            data?: components["schemas"]["EventData"];
        };
        /**
         * @description What happened. Of a device: `device.registered`, `device.presence`,
         *     `device.suspended`, `device.resumed`, `device.logins_revoked`,
         *     `device.decommissioned`. Of a session: `session.opened`, `session.closed`,
         *     `session.expired`. Of a command:
         *     `command.proposed`, `command.approved`, `command.rejected`, `command.claimed`,
         *     `command.requeued`, `command.released`, `command.succeeded`, `command.failed`,
         *     `command.timed_out`, `command.cancel_requested`, `command.cancelled`,
         *     `command.expired`. More values may come; tolerate those you do not know.
         * @example command.proposed
         */
        EventType: string;
        /**
         * @description What else there is to say about the event, such as the status after it or the reason for it.
         * @example {
         *       "type": "service.restart",
         *       "status": "pending_approval"
         *     }
         */
        EventData: {
            [key: string]: unknown;
        };
        /** @description Who did it. */
        Actor: {
            kind: components["schemas"]["ActorKind"];
            /** @description The id of the user or device; `system` for what time does. */
            id: string;
        };
        /** @description For whom the ticket is. The body may be left out. */
        IssueTicketRequest: {
            /**
             * @description The origin of the page that will open the socket, as its browser sends it. Unless
             *     given, the `Origin` of this request; without that either, the ticket is for a
             *     program that is no browser.
             * @example https://fleet.example.com
             */
            origin?: string;
        };
        /** @description A ticket opens one socket. */
        Ticket: {
            /** @description Send it as `ticket` in the query. Treat it as a string. */
            ticket: string;
            /**
             * Format: date-time
             * @description Until when the ticket is good.
             */
            expiresAt: string;
        };
        /** @description An open socket. */
        Connection: {
            id: components["schemas"]["ConnectionId"];
            kind: components["schemas"]["ConnectionKind"];
            deviceId?: components["schemas"]["DeviceId"];
            userId?: components["schemas"]["UserId"];
            /** @description What the client calls itself, its `User-Agent`. */
            agent?: string;
            /**
             * Format: date-time
             * @description When it was opened.
             */
            since: string;
        };
        /** @description A page of connections. */
        ConnectionList: {
            /** @description The items of this page. */
            items: components["schemas"]["Connection"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description The instance that answers. */
        SystemInfo: {
            /** @description The released version; `dev` for a build of one's own. */
            version: string;
            build: components["schemas"]["Build"];
            /** @description Where it runs, such as `production` or `dev`. */
            environment: string;
            /**
             * Format: int64
             * @description How long the process has run, in seconds.
             */
            uptimeSeconds: number;
            services: components["schemas"]["Services"];
            connections: components["schemas"]["Connections"];
        };
        /** @description What the process was built from. */
        Build: {
            /** @description The revision of the source; `unknown` if it was not recorded. */
            commit: string;
            /** @description When that revision was made; `unknown` if it was not recorded. */
            time: string;
            /** @description The version of Go. */
            go: string;
        };
        /** @description What the instance depends on. */
        Services: {
            redis: components["schemas"]["ServiceStatus"];
            supabase: components["schemas"]["ServiceStatus"];
        };
        /** @description How one service does, seen from this instance. */
        ServiceStatus: {
            /** @description Whether the service does what it is needed for. */
            ok: boolean;
            /**
             * Format: double
             * @description How long its last answer took, in milliseconds.
             */
            latencyMs?: number;
            /** @description What is wrong, in general words, without addresses. */
            error?: string;
            /** @description Its version, where it tells. */
            version?: string;
            /** @description How it is run, such as `single`, `sentinel`, `cluster` or `embedded`. */
            mode?: string;
        };
        /** @description The sockets that this instance holds. */
        Connections: {
            /** @description Sockets of devices. */
            devices: number;
            /** @description Sockets of customers. */
            customers: number;
        };
    };
    responses: {
        /** @description The socket is open. From here on the frames of `asyncapi.yaml` are spoken, beginning with `welcome`. */
        SocketOpened: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "Sec-WebSocket-Protocol": components["headers"]["Sec-WebSocket-Protocol"];
                [name: string]: unknown;
            };
            content?: never;
        };
        /** @description The request does not follow this document. `errors` points at each part. */
        BadRequest: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no valid token. */
        Unauthorized: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The code is wrong, used, expired or another device's. One answer for all of these. */
        InvalidActivationCode: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The device id and secret do not belong together, or there is no such device. */
        InvalidCredentials: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The caller's role is below the least role of the operation. */
        InsufficientRole: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description An administrator has suspended the device. */
        DeviceSuspended: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The claim token never belonged to this command. */
        InvalidClaimToken: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role is not sufficient, or the policy forbids commands of this type. */
        CommandDenied: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role is not sufficient, or the caller proposed the command. */
        DecisionForbidden: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The web page comes from an origin that may not open this socket. */
        OriginNotAllowed: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role is not sufficient, or the web page comes from an origin that may not open this socket. */
        SocketForbidden: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The caller has no such device. */
        DeviceNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The caller has no such session. */
        SessionNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The caller has no such command. */
        CommandNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The caller has no such session, or the session has no such command. */
        SessionOrCommandNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The caller has no such connection, or it has ended already. */
        ConnectionNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The `Idempotency-Key` was used with another body. */
        IdempotencyKeyReused: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Another device has this `externalId`, or the `Idempotency-Key` was used with another body. */
        ExternalIdTaken: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The device was decommissioned, which is final. */
        DeviceDecommissioned: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The device was decommissioned, which is final, or the `Idempotency-Key` was used with another body. */
        ActivationCodeNotIssued: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The device cannot have this session now. */
        SessionNotOpened: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The session cannot take the command. */
        SessionClosed: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The command has ended. `command` tells how. */
        CommandFinished: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The command cannot be proposed again now. */
        RetryRefused: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The command does not wait for this decision. */
        DecisionRefused: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The claim no longer holds the command. `command` tells how it stands. */
        LeaseLost: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The result is not recorded. `command` tells how the command stands. */
        ResultRefused: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is larger than this operation takes. */
        BodyTooLarge: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is not declared as JSON. */
        UnsupportedMediaType: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Too many requests. */
        RateLimited: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Too many requests, or too many commands that wait for the device. */
        ProposeLimited: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Our fault. Repeat with a pause, and tell us the `requestId` if it stays. */
        InternalError: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The gateway cannot answer now. Credentials stay valid; repeat after `Retry-After`. */
        Unavailable: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: {
        /** @description The id of the device. */
        DeviceInPath: components["schemas"]["AnyId"];
        /** @description The id of the session. */
        SessionInPath: components["schemas"]["AnyId"];
        /** @description The id of the command. */
        CommandInPath: components["schemas"]["AnyId"];
        /** @description The id of the connection. */
        ConnectionInPath: components["schemas"]["AnyId"];
        /**
         * @description A name of your choice for this request, such as a UUID, so that it can be repeated
         *     without being done twice. See "Repeating requests".
         * @example 4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58
         */
        IdempotencyKey: string;
        /** @description How many items a page has at most. */
        Limit: number;
        /** @description The `nextCursor` of the page before. */
        Cursor: string;
    };
    requestBodies: never;
    headers: {
        /** @description The id of this request, as it is in our logs and in the events it caused. */
        "X-Request-ID": components["schemas"]["RequestId"];
        /**
         * @description Where to read or use what was created.
         * @example /api/v1/customer/devices/dev_7k01jd3q8zv6m4y2x9n5t0c8hbra
         */
        Location: string;
        /**
         * @description The scheme to authenticate with (RFC 9110, section 11.6.1).
         * @example Bearer realm="fieldgate"
         */
        "WWW-Authenticate": string;
        /** @description The subprotocol that is spoken from here on, if one was offered. */
        "Sec-WebSocket-Protocol": "fieldgate.v1";
        /**
         * @description How many seconds to wait at least before the next try.
         * @example 5
         */
        "Retry-After": number;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process is alive. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "ok",
                     *       "timestamp": "2025-11-22T20:15:04.120Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Health"];
                };
            };
            500: components["responses"]["InternalError"];
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Send traffic. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "ready": true,
                     *       "draining": false,
                     *       "checks": {
                     *         "redis": {
                     *           "ok": true,
                     *           "latencyMs": 0.4
                     *         },
                     *         "supabase": {
                     *           "ok": true,
                     *           "latencyMs": 18.2
                     *         }
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            500: components["responses"]["InternalError"];
            /** @description Send no traffic. The report says why. */
            503: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "ready": false,
                     *       "draining": false,
                     *       "checks": {
                     *         "redis": {
                     *           "ok": false,
                     *           "error": "unreachable for 6 s"
                     *         },
                     *         "supabase": {
                     *           "ok": true,
                     *           "latencyMs": 18.2
                     *         }
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    getVersion: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The version. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "version": "1.4.0"
                     *     }
                     */
                    "application/json": components["schemas"]["Version"];
                };
            };
            500: components["responses"]["InternalError"];
        };
    };
    getContractYAML: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description This document. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/yaml": components["schemas"]["ContractText"];
                };
            };
            500: components["responses"]["InternalError"];
        };
    };
    getContractJSON: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description This document. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "openapi": "3.0.3",
                     *       "info": {
                     *         "title": "Fieldgate",
                     *         "version": "1.0.0"
                     *       },
                     *       "paths": {}
                     *     }
                     */
                    "application/json": components["schemas"]["ContractObject"];
                };
            };
            500: components["responses"]["InternalError"];
        };
    };
    getSocketContract: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The contract of the sockets. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/yaml": components["schemas"]["ContractText"];
                };
            };
            500: components["responses"]["InternalError"];
        };
    };
    getDocs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "text/html": components["schemas"]["ContractText"];
                };
            };
            500: components["responses"]["InternalError"];
        };
    };
    registerDevice: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A name of your choice for this request, such as a UUID, so that it can be repeated
                 *     without being done twice. See "Repeating requests".
                 * @example 4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "activationCode": "7KQ2-M4XN-V9PT",
                 *       "metadata": {
                 *         "model": "PX-400",
                 *         "firmwareVersion": "2.8.1",
                 *         "serialNumber": "PX4-001873"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["RegisterDeviceRequest"];
            };
        };
        responses: {
            /** @description The device is registered. Store the secret now. */
            201: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "deviceSecret": "Vn3yC0w2mQe7rT5kLx9aJp4sDf8hGzB1uNq6iWoXcYE",
                     *       "registeredAt": "2025-11-22T20:15:04.120Z"
                     *     }
                     */
                    "application/json": components["schemas"]["RegisteredDevice"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["InvalidActivationCode"];
            409: components["responses"]["IdempotencyKeyReused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    authenticateDevice: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                 *       "deviceSecret": "Vn3yC0w2mQe7rT5kLx9aJp4sDf8hGzB1uNq6iWoXcYE"
                 *     }
                 */
                "application/json": components["schemas"]["AuthenticateDeviceRequest"];
            };
        };
        responses: {
            /** @description The device is logged in. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "token": "q8Zr1vTnB6yKx3HwMd7cLs0pJf5aEu2gXo9iRtYkWbN",
                     *       "expiresInSeconds": 604800,
                     *       "expiresAt": "2025-11-29T20:15:04.120Z",
                     *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra"
                     *     }
                     */
                    "application/json": components["schemas"]["DeviceLogin"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["InvalidCredentials"];
            403: components["responses"]["DeviceSuspended"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    endDeviceLogin: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description This login is over. */
            204: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthorized"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    sendHeartbeat: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "status": "ok",
                 *       "metrics": {
                 *         "cpuPercent": 12.5,
                 *         "temperatureCelsius": 41
                 *       },
                 *       "firmwareVersion": "2.8.1"
                 *     }
                 */
                "application/json": components["schemas"]["HeartbeatRequest"];
            };
        };
        responses: {
            /** @description The heartbeat was noted. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "serverTime": "2025-11-22T20:15:04.120Z",
                     *       "nextHeartbeatMs": 30000,
                     *       "pendingCommands": 1,
                     *       "cancelRequested": [
                     *         "cmd_7k01jd3qf2n8y5c1z7r3k9d4g6qs"
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["HeartbeatReply"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    claimCommands: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A name of your choice for this request, such as a UUID, so that it can be repeated
                 *     without being done twice. See "Repeating requests".
                 * @example 4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "limit": 1,
                 *       "visibilityTimeoutMs": 60000,
                 *       "waitMs": 20000
                 *     }
                 */
                "application/json": components["schemas"]["ClaimRequest"];
            };
        };
        responses: {
            /** @description The claimed commands; an empty list when there is none. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClaimedCommands"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            409: components["responses"]["IdempotencyKeyReused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getDeviceCommand: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The command as it stands. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *       "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *       "type": "service.restart",
                     *       "priority": 5,
                     *       "status": "claimed",
                     *       "attempt": 1,
                     *       "maxAttempts": 1,
                     *       "deliverBy": "2025-11-23T20:15:30.000Z",
                     *       "claimedAt": "2025-11-22T20:16:10.004Z",
                     *       "visibleUntil": "2025-11-22T20:17:10.004Z",
                     *       "leaseRemainingMs": 41250,
                     *       "cancelRequested": false,
                     *       "late": false
                     *     }
                     */
                    "application/json": components["schemas"]["DeviceCommand"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            404: components["responses"]["CommandNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    extendCommand: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "claimToken": "t4Xn8qLz2vRb6mKc",
                 *       "extensionMs": 60000
                 *     }
                 */
                "application/json": components["schemas"]["ExtendRequest"];
            };
        };
        responses: {
            /** @description The lease was extended. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "commandId": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *       "visibleUntil": "2025-11-22T20:17:50.004Z",
                     *       "leaseRemainingMs": 60000,
                     *       "cancelRequested": false
                     *     }
                     */
                    "application/json": components["schemas"]["Lease"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InvalidClaimToken"];
            404: components["responses"]["CommandNotFound"];
            409: components["responses"]["LeaseLost"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    releaseCommand: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "claimToken": "t4Xn8qLz2vRb6mKc",
                 *       "reason": "rebooting for an update"
                 *     }
                 */
                "application/json": components["schemas"]["ReleaseRequest"];
            };
        };
        responses: {
            /** @description The command was given back. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "commandId": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *       "status": "queued"
                     *     }
                     */
                    "application/json": components["schemas"]["ReleasedCommand"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InvalidClaimToken"];
            404: components["responses"]["CommandNotFound"];
            409: components["responses"]["LeaseLost"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    submitResult: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResultRequest"];
            };
        };
        responses: {
            /** @description The result is stored. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "commandId": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *       "status": "succeeded",
                     *       "late": false,
                     *       "duplicate": false
                     *     }
                     */
                    "application/json": components["schemas"]["RecordedResult"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InvalidClaimToken"];
            404: components["responses"]["CommandNotFound"];
            409: components["responses"]["ResultRefused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    openDeviceSocket: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            101: components["responses"]["SocketOpened"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["OriginNotAllowed"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listDevices: {
        parameters: {
            query?: {
                /** @description Only devices with this status. */
                status?: components["schemas"]["DeviceStatus"];
                /**
                 * @description Only devices with this tag, as `key:value`, or as `key` for any value.
                 * @example site:leipzig
                 */
                tag?: string;
                /**
                 * @description Only devices whose name or `externalId` contains this text, whatever its case.
                 * @example pump
                 */
                q?: string;
                /** @description How many items a page has at most. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the page before. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of devices. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "id": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *           "externalId": "PX4-001873",
                     *           "name": "Pump station 12",
                     *           "location": "Hall 3, Leipzig",
                     *           "tags": {
                     *             "site": "leipzig",
                     *             "line": "cooling"
                     *           },
                     *           "status": "active",
                     *           "presence": "online",
                     *           "lastSeen": "2025-11-22T20:15:04.120Z",
                     *           "createdAt": "2025-11-22T20:10:00.000Z",
                     *           "registeredAt": "2025-11-22T20:12:41.930Z",
                     *           "firmwareVersion": "2.8.1",
                     *           "model": "PX-400"
                     *         }
                     *       ],
                     *       "nextCursor": "MDFqZDNxOHp2Ng"
                     *     }
                     */
                    "application/json": components["schemas"]["DeviceList"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    provisionDevice: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A name of your choice for this request, such as a UUID, so that it can be repeated
                 *     without being done twice. See "Repeating requests".
                 * @example 4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "Pump station 12",
                 *       "externalId": "PX4-001873",
                 *       "location": "Hall 3, Leipzig",
                 *       "tags": {
                 *         "site": "leipzig",
                 *         "line": "cooling"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["ProvisionDeviceRequest"];
            };
        };
        responses: {
            /** @description The device is provisioned and waits to be registered. */
            201: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "device": {
                     *         "id": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *         "externalId": "PX4-001873",
                     *         "name": "Pump station 12",
                     *         "location": "Hall 3, Leipzig",
                     *         "tags": {
                     *           "site": "leipzig",
                     *           "line": "cooling"
                     *         },
                     *         "status": "provisioned",
                     *         "presence": "never_connected",
                     *         "createdAt": "2025-11-22T20:10:00.000Z"
                     *       },
                     *       "activationCode": "7KQ2-M4XN-V9PT",
                     *       "activationExpiresAt": "2025-11-23T20:10:00.000Z",
                     *       "instructions": "Enter the activation code on the device within 24 hours. It works once."
                     *     }
                     */
                    "application/json": components["schemas"]["ProvisionedDevice"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            409: components["responses"]["ExternalIdTaken"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getDevice: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The device. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "externalId": "PX4-001873",
                     *       "name": "Pump station 12",
                     *       "location": "Hall 3, Leipzig",
                     *       "tags": {
                     *         "site": "leipzig",
                     *         "line": "cooling"
                     *       },
                     *       "status": "active",
                     *       "presence": "online",
                     *       "lastSeen": "2025-11-22T20:15:04.120Z",
                     *       "createdAt": "2025-11-22T20:10:00.000Z",
                     *       "registeredAt": "2025-11-22T20:12:41.930Z",
                     *       "firmwareVersion": "2.8.1",
                     *       "model": "PX-400",
                     *       "lastHeartbeat": {
                     *         "status": "ok",
                     *         "receivedAt": "2025-11-22T20:15:04.120Z"
                     *       },
                     *       "metrics": {
                     *         "cpuPercent": 12.5,
                     *         "temperatureCelsius": 41
                     *       },
                     *       "activeSessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *       "pendingCommands": 1
                     *     }
                     */
                    "application/json": components["schemas"]["Device"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    decommissionDevice: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The device is decommissioned. */
            204: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    updateDevice: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "Pump station 12 B",
                 *       "tags": {
                 *         "site": "leipzig"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["UpdateDeviceRequest"];
            };
        };
        responses: {
            /** @description The device after the change. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "externalId": "PX4-001873",
                     *       "name": "Pump station 12 B",
                     *       "location": "Hall 3, Leipzig",
                     *       "tags": {
                     *         "site": "leipzig"
                     *       },
                     *       "status": "active",
                     *       "presence": "online",
                     *       "lastSeen": "2025-11-22T20:15:04.120Z",
                     *       "createdAt": "2025-11-22T20:10:00.000Z",
                     *       "registeredAt": "2025-11-22T20:12:41.930Z",
                     *       "firmwareVersion": "2.8.1",
                     *       "model": "PX-400"
                     *     }
                     */
                    "application/json": components["schemas"]["Device"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            409: components["responses"]["DeviceDecommissioned"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    issueActivationCode: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A name of your choice for this request, such as a UUID, so that it can be repeated
                 *     without being done twice. See "Repeating requests".
                 * @example 4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The new code. It is shown this once. */
            201: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "activationCode": "7KQ2-M4XN-V9PT",
                     *       "activationExpiresAt": "2025-11-23T20:10:00.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["ActivationCode"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            409: components["responses"]["ActivationCodeNotIssued"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    suspendDevice: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "reason": "reported stolen"
                 *     }
                 */
                "application/json": components["schemas"]["ReasonRequest"];
            };
        };
        responses: {
            /** @description The device is suspended. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "externalId": "PX4-001873",
                     *       "name": "Pump station 12",
                     *       "location": "Hall 3, Leipzig",
                     *       "tags": {
                     *         "site": "leipzig",
                     *         "line": "cooling"
                     *       },
                     *       "status": "suspended",
                     *       "presence": "offline",
                     *       "lastSeen": "2025-11-22T20:15:04.120Z",
                     *       "createdAt": "2025-11-22T20:10:00.000Z",
                     *       "registeredAt": "2025-11-22T20:12:41.930Z",
                     *       "firmwareVersion": "2.8.1",
                     *       "model": "PX-400"
                     *     }
                     */
                    "application/json": components["schemas"]["Device"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            409: components["responses"]["DeviceDecommissioned"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    resumeDevice: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "reason": "found in the workshop"
                 *     }
                 */
                "application/json": components["schemas"]["ReasonRequest"];
            };
        };
        responses: {
            /** @description The device may log in again. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "externalId": "PX4-001873",
                     *       "name": "Pump station 12",
                     *       "location": "Hall 3, Leipzig",
                     *       "tags": {
                     *         "site": "leipzig",
                     *         "line": "cooling"
                     *       },
                     *       "status": "active",
                     *       "presence": "offline",
                     *       "lastSeen": "2025-11-22T20:15:04.120Z",
                     *       "createdAt": "2025-11-22T20:10:00.000Z",
                     *       "registeredAt": "2025-11-22T20:12:41.930Z",
                     *       "firmwareVersion": "2.8.1",
                     *       "model": "PX-400"
                     *     }
                     */
                    "application/json": components["schemas"]["Device"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            409: components["responses"]["DeviceDecommissioned"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    revokeDeviceLogins: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the device. */
                deviceId: components["parameters"]["DeviceInPath"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "reason": "token seen in a log file"
                 *     }
                 */
                "application/json": components["schemas"]["ReasonRequest"];
            };
        };
        responses: {
            /** @description All logins are over. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "externalId": "PX4-001873",
                     *       "name": "Pump station 12",
                     *       "location": "Hall 3, Leipzig",
                     *       "tags": {
                     *         "site": "leipzig",
                     *         "line": "cooling"
                     *       },
                     *       "status": "active",
                     *       "presence": "offline",
                     *       "lastSeen": "2025-11-22T20:15:04.120Z",
                     *       "createdAt": "2025-11-22T20:10:00.000Z",
                     *       "registeredAt": "2025-11-22T20:12:41.930Z",
                     *       "firmwareVersion": "2.8.1",
                     *       "model": "PX-400"
                     *     }
                     */
                    "application/json": components["schemas"]["Device"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            409: components["responses"]["DeviceDecommissioned"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listSessions: {
        parameters: {
            query?: {
                /** @description Only sessions on this device. */
                deviceId?: components["schemas"]["AnyId"];
                /** @description Only sessions with this status. */
                status?: components["schemas"]["SessionStatus"];
                /** @description How many items a page has at most. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the page before. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of sessions. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "id": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *           "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *           "type": "remediation",
                     *           "status": "active",
                     *           "description": "Telemetry stopped after the update",
                     *           "createdBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "createdAt": "2025-11-22T20:14:50.000Z",
                     *           "expiresAt": "2025-11-22T21:14:50.000Z"
                     *         }
                     *       ],
                     *       "nextCursor": "MDFqZDNxYjV3OA"
                     *     }
                     */
                    "application/json": components["schemas"]["SessionList"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    openSession: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A name of your choice for this request, such as a UUID, so that it can be repeated
                 *     without being done twice. See "Repeating requests".
                 * @example 4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                 *       "type": "remediation",
                 *       "description": "Telemetry stopped after the update",
                 *       "expiresInSeconds": 3600
                 *     }
                 */
                "application/json": components["schemas"]["OpenSessionRequest"];
            };
        };
        responses: {
            /** @description The session is open. */
            201: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "type": "remediation",
                     *       "status": "active",
                     *       "description": "Telemetry stopped after the update",
                     *       "createdBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "createdAt": "2025-11-22T20:14:50.000Z",
                     *       "expiresAt": "2025-11-22T21:14:50.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            409: components["responses"]["SessionNotOpened"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "type": "remediation",
                     *       "status": "active",
                     *       "description": "Telemetry stopped after the update",
                     *       "createdBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "createdAt": "2025-11-22T20:14:50.000Z",
                     *       "expiresAt": "2025-11-22T21:14:50.000Z",
                     *       "commands": [
                     *         {
                     *           "id": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *           "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *           "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *           "type": "service.restart",
                     *           "parameters": {
                     *             "service": "telemetry",
                     *             "graceSeconds": 10
                     *           },
                     *           "priority": 5,
                     *           "status": "pending_approval",
                     *           "attempt": 0,
                     *           "maxAttempts": 1,
                     *           "digest": "6b1f0c2f5a0d4e7f9c3b8a1d2e6f7081930a4b5c6d7e8f90a1b2c3d4e5f60718",
                     *           "proposedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "reason": "Telemetry stopped after the update",
                     *           "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *           "createdAt": "2025-11-22T20:15:30.000Z",
                     *           "approveBy": "2025-11-23T20:15:30.000Z",
                     *           "deliverBy": "2025-11-23T20:15:30.000Z",
                     *           "cancelRequested": false,
                     *           "late": false
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    closeSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "reason": "solved"
                 *     }
                 */
                "application/json": components["schemas"]["ReasonRequest"];
            };
        };
        responses: {
            /** @description The session is closed. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "type": "remediation",
                     *       "status": "closed",
                     *       "description": "Telemetry stopped after the update",
                     *       "createdBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "createdAt": "2025-11-22T20:14:50.000Z",
                     *       "expiresAt": "2025-11-22T21:14:50.000Z",
                     *       "closedAt": "2025-11-22T20:20:00.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionNotFound"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listCommands: {
        parameters: {
            query?: {
                /** @description How many items a page has at most. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the page before. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of commands. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "id": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *           "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *           "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *           "type": "service.restart",
                     *           "parameters": {
                     *             "service": "telemetry",
                     *             "graceSeconds": 10
                     *           },
                     *           "priority": 5,
                     *           "status": "succeeded",
                     *           "attempt": 1,
                     *           "maxAttempts": 1,
                     *           "digest": "6b1f0c2f5a0d4e7f9c3b8a1d2e6f7081930a4b5c6d7e8f90a1b2c3d4e5f60718",
                     *           "proposedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "reason": "Telemetry stopped after the update",
                     *           "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *           "createdAt": "2025-11-22T20:15:30.000Z",
                     *           "approveBy": "2025-11-23T20:15:30.000Z",
                     *           "deliverBy": "2025-11-23T20:15:30.000Z",
                     *           "cancelRequested": false,
                     *           "late": false,
                     *           "claimedAt": "2025-11-22T20:16:10.004Z",
                     *           "finishedAt": "2025-11-22T20:16:20.110Z",
                     *           "approval": {
                     *             "decision": "approved",
                     *             "decidedBy": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *             "decidedAt": "2025-11-22T20:16:02.551Z",
                     *             "reason": "agreed with the site"
                     *           },
                     *           "result": {
                     *             "output": "telemetry restarted",
                     *             "data": {
                     *               "pid": 4711
                     *             },
                     *             "executedAt": "2025-11-22T20:16:11.300Z",
                     *             "durationMs": 8420
                     *           }
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["CommandList"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    proposeCommand: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A name of your choice for this request, such as a UUID, so that it can be repeated
                 *     without being done twice. See "Repeating requests".
                 * @example 4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ProposeCommandRequest"];
            };
        };
        responses: {
            /** @description The command is proposed; `status` tells whether it waits for a decision. */
            201: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *       "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "type": "service.restart",
                     *       "parameters": {
                     *         "service": "telemetry",
                     *         "graceSeconds": 10
                     *       },
                     *       "priority": 5,
                     *       "status": "pending_approval",
                     *       "attempt": 0,
                     *       "maxAttempts": 1,
                     *       "digest": "6b1f0c2f5a0d4e7f9c3b8a1d2e6f7081930a4b5c6d7e8f90a1b2c3d4e5f60718",
                     *       "proposedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "reason": "Telemetry stopped after the update",
                     *       "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *       "createdAt": "2025-11-22T20:15:30.000Z",
                     *       "approveBy": "2025-11-23T20:15:30.000Z",
                     *       "deliverBy": "2025-11-23T20:15:30.000Z",
                     *       "cancelRequested": false,
                     *       "late": false
                     *     }
                     */
                    "application/json": components["schemas"]["Command"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["CommandDenied"];
            404: components["responses"]["SessionNotFound"];
            409: components["responses"]["SessionClosed"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["ProposeLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getCommand: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The command. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *       "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "type": "service.restart",
                     *       "parameters": {
                     *         "service": "telemetry",
                     *         "graceSeconds": 10
                     *       },
                     *       "priority": 5,
                     *       "status": "succeeded",
                     *       "attempt": 1,
                     *       "maxAttempts": 1,
                     *       "digest": "6b1f0c2f5a0d4e7f9c3b8a1d2e6f7081930a4b5c6d7e8f90a1b2c3d4e5f60718",
                     *       "proposedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "reason": "Telemetry stopped after the update",
                     *       "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *       "createdAt": "2025-11-22T20:15:30.000Z",
                     *       "approveBy": "2025-11-23T20:15:30.000Z",
                     *       "deliverBy": "2025-11-23T20:15:30.000Z",
                     *       "cancelRequested": false,
                     *       "late": false,
                     *       "claimedAt": "2025-11-22T20:16:10.004Z",
                     *       "finishedAt": "2025-11-22T20:16:20.110Z",
                     *       "approval": {
                     *         "decision": "approved",
                     *         "decidedBy": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *         "decidedAt": "2025-11-22T20:16:02.551Z",
                     *         "reason": "agreed with the site"
                     *       },
                     *       "result": {
                     *         "output": "telemetry restarted",
                     *         "data": {
                     *           "pid": 4711
                     *         },
                     *         "executedAt": "2025-11-22T20:16:11.300Z",
                     *         "durationMs": 8420
                     *       },
                     *       "attempts": [
                     *         {
                     *           "attempt": 1,
                     *           "claimedAt": "2025-11-22T20:16:10.004Z",
                     *           "endedAt": "2025-11-22T20:16:20.110Z",
                     *           "outcome": "succeeded"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Command"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionOrCommandNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    cancelCommand: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "reason": "wrong service"
                 *     }
                 */
                "application/json": components["schemas"]["ReasonRequest"];
            };
        };
        responses: {
            /** @description The command as it stands now. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *       "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "type": "service.restart",
                     *       "parameters": {
                     *         "service": "telemetry",
                     *         "graceSeconds": 10
                     *       },
                     *       "priority": 5,
                     *       "status": "cancelled",
                     *       "attempt": 0,
                     *       "maxAttempts": 1,
                     *       "digest": "6b1f0c2f5a0d4e7f9c3b8a1d2e6f7081930a4b5c6d7e8f90a1b2c3d4e5f60718",
                     *       "proposedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "reason": "Telemetry stopped after the update",
                     *       "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *       "createdAt": "2025-11-22T20:15:30.000Z",
                     *       "approveBy": "2025-11-23T20:15:30.000Z",
                     *       "deliverBy": "2025-11-23T20:15:30.000Z",
                     *       "cancelRequested": false,
                     *       "late": false,
                     *       "finishedAt": "2025-11-22T20:15:58.020Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Command"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionOrCommandNotFound"];
            409: components["responses"]["CommandFinished"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    retryCommand: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A name of your choice for this request, such as a UUID, so that it can be repeated
                 *     without being done twice. See "Repeating requests".
                 * @example 4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
                /** @description The id of the command. */
                commandId: components["parameters"]["CommandInPath"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "reason": "the device was rebooting"
                 *     }
                 */
                "application/json": components["schemas"]["ReasonRequest"];
            };
        };
        responses: {
            /** @description The new command. */
            201: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "cmd_7k01jd3qf2n8y5c1z7r3k9d4g6qs",
                     *       "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *       "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *       "type": "service.restart",
                     *       "parameters": {
                     *         "service": "telemetry",
                     *         "graceSeconds": 10
                     *       },
                     *       "priority": 5,
                     *       "status": "pending_approval",
                     *       "attempt": 0,
                     *       "maxAttempts": 1,
                     *       "digest": "6b1f0c2f5a0d4e7f9c3b8a1d2e6f7081930a4b5c6d7e8f90a1b2c3d4e5f60718",
                     *       "proposedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "reason": "Telemetry stopped after the update",
                     *       "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *       "createdAt": "2025-11-22T20:15:30.000Z",
                     *       "approveBy": "2025-11-23T20:15:30.000Z",
                     *       "deliverBy": "2025-11-23T20:15:30.000Z",
                     *       "cancelRequested": false,
                     *       "late": false,
                     *       "retryOf": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm"
                     *     }
                     */
                    "application/json": components["schemas"]["Command"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["CommandDenied"];
            404: components["responses"]["SessionOrCommandNotFound"];
            409: components["responses"]["RetryRefused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["ProposeLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    decideCommand: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DecisionRequest"];
            };
        };
        responses: {
            /** @description The decision is recorded. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "command": {
                     *         "id": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *         "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *         "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *         "type": "service.restart",
                     *         "parameters": {
                     *           "service": "telemetry",
                     *           "graceSeconds": 10
                     *         },
                     *         "priority": 5,
                     *         "status": "queued",
                     *         "attempt": 0,
                     *         "maxAttempts": 1,
                     *         "digest": "6b1f0c2f5a0d4e7f9c3b8a1d2e6f7081930a4b5c6d7e8f90a1b2c3d4e5f60718",
                     *         "proposedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "reason": "Telemetry stopped after the update",
                     *         "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *         "createdAt": "2025-11-22T20:15:30.000Z",
                     *         "approveBy": "2025-11-23T20:15:30.000Z",
                     *         "deliverBy": "2025-11-23T20:15:30.000Z",
                     *         "cancelRequested": false,
                     *         "late": false,
                     *         "approval": {
                     *           "decision": "approved",
                     *           "decidedBy": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *           "decidedAt": "2025-11-22T20:16:02.551Z",
                     *           "reason": "agreed with the site"
                     *         }
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["DecidedCommand"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["DecisionForbidden"];
            404: components["responses"]["SessionOrCommandNotFound"];
            409: components["responses"]["DecisionRefused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listSessionEvents: {
        parameters: {
            query?: {
                /**
                 * @description Only events at or after this time.
                 * @example 2025-11-22T20:15:00.000Z
                 */
                since?: string;
                /** @description How many items a page has at most. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the page before. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path: {
                /** @description The id of the session. */
                sessionId: components["parameters"]["SessionInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the timeline. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "id": "1763842530000-0",
                     *           "type": "command.proposed",
                     *           "time": "2025-11-22T20:15:30.000Z",
                     *           "actor": {
                     *             "kind": "user",
                     *             "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90"
                     *           },
                     *           "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *           "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *           "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *           "commandId": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *           "data": {
                     *             "type": "service.restart",
                     *             "status": "pending_approval"
                     *           }
                     *         }
                     *       ],
                     *       "nextCursor": "MTc2Mzg0MjUzMDAwMC0w"
                     *     }
                     */
                    "application/json": components["schemas"]["EventList"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listApprovals: {
        parameters: {
            query?: {
                /** @description Which commands to list. Those that wait are the only choice for now. */
                status?: components["schemas"]["ApprovalStatus"];
                /** @description How many items a page has at most. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the page before. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of waiting commands. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "id": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *           "sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
                     *           "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *           "type": "service.restart",
                     *           "parameters": {
                     *             "service": "telemetry",
                     *             "graceSeconds": 10
                     *           },
                     *           "priority": 5,
                     *           "status": "pending_approval",
                     *           "attempt": 0,
                     *           "maxAttempts": 1,
                     *           "digest": "6b1f0c2f5a0d4e7f9c3b8a1d2e6f7081930a4b5c6d7e8f90a1b2c3d4e5f60718",
                     *           "proposedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "reason": "Telemetry stopped after the update",
                     *           "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *           "createdAt": "2025-11-22T20:15:30.000Z",
                     *           "approveBy": "2025-11-23T20:15:30.000Z",
                     *           "deliverBy": "2025-11-23T20:15:30.000Z",
                     *           "cancelRequested": false,
                     *           "late": false,
                     *           "mayDecide": false,
                     *           "whyNot": "You proposed this command."
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["CommandList"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    issueTicket: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "origin": "https://fleet.example.com"
                 *     }
                 */
                "application/json": components["schemas"]["IssueTicketRequest"];
            };
        };
        responses: {
            /** @description The ticket. Use it now. */
            201: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "ticket": "fgt_9cLw2RbY7vQxK4mNzT1sJ8hGfD3pAeU6oViWqXyBkCE",
                     *       "expiresAt": "2025-11-22T20:15:34.120Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Ticket"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    openCustomerSocket: {
        parameters: {
            query?: {
                /**
                 * @description A ticket of `POST /api/v1/customer/ws-tickets`, in place of a token. One that is
                 *     wrong, used, expired or another origin's is 401.
                 * @example fgt_9cLw2RbY7vQxK4mNzT1sJ8hGfD3pAeU6oViWqXyBkCE
                 */
                ticket?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            101: components["responses"]["SocketOpened"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["SocketForbidden"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listConnections: {
        parameters: {
            query?: {
                /** @description How many items a page has at most. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the page before. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of connections. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "id": "con_3FYMTQ7KJ2VCX5LWAHB6NEUZDO",
                     *           "kind": "device",
                     *           "deviceId": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra",
                     *           "agent": "fieldgate-agent/1.4.0",
                     *           "since": "2025-11-22T20:12:44.310Z"
                     *         },
                     *         {
                     *           "id": "con_Q5GZW2RKTHXN7VDLB4MPOA3EYU",
                     *           "kind": "customer",
                     *           "userId": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                     *           "since": "2025-11-22T20:14:41.905Z"
                     *         }
                     *       ],
                     *       "nextCursor": "MDFqZDNxYjV3OA"
                     *     }
                     */
                    "application/json": components["schemas"]["ConnectionList"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    closeConnection: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the connection. */
                connectionId: components["parameters"]["ConnectionInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The socket is being closed. */
            204: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["ConnectionNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getSystemInfo: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The instance. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "version": "1.4.0",
                     *       "build": {
                     *         "commit": "3f9c2ab",
                     *         "time": "2025-11-20T09:12:44Z",
                     *         "go": "go1.26.8"
                     *       },
                     *       "environment": "production",
                     *       "uptimeSeconds": 86400,
                     *       "services": {
                     *         "redis": {
                     *           "ok": true,
                     *           "latencyMs": 0.4,
                     *           "version": "8.2.1",
                     *           "mode": "sentinel"
                     *         },
                     *         "supabase": {
                     *           "ok": true,
                     *           "latencyMs": 18.2
                     *         }
                     *       },
                     *       "connections": {
                     *         "devices": 1250,
                     *         "customers": 14
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["SystemInfo"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
}
