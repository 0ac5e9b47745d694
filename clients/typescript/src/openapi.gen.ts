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
         * Check liveness
         * @description Returns 200 as long as the process can respond, whatever the state of its dependencies,
         *     and also while it drains. Use it as a liveness probe: restart the process when it fails.
         *     Use `GET /readyz` to decide whether to send traffic.
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
         * Check readiness
         * @description For load balancers. An instance is not ready while it starts, while it drains before
         *     shutdown, when it has not reached Redis for some seconds, or when it has had no keys to
         *     verify JWTs since its start. Both responses carry the same report, so that an operator
         *     sees the reason at once. The report contains no address and no secret.
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
         * Get the version of the gateway
         * @description Returns the released version and nothing else, for deployment scripts and bug reports.
         *     `GET /api/v1/customer/system/info` returns more and requires authentication.
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
    "/.well-known/fieldgate/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the keys that verify receipts
         * @description Returns the public keys with which the [receipts](/docs/guides/receipts) of this installation are
         *     verified, as a JSON Web Key Set (RFC 7517): that of the key that signs, and those of keys that have
         *     signed or will sign. The set is empty if the installation signs no receipts.
         *
         *     Whoever wants to verify receipts without trusting the gateway obtains the keys once, on a way that is
         *     trusted, and not from here each time.
         */
        get: operations["getSigningKeys"];
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
         * @description Returns the contract as it was written, comments included. The gateway validates every
         *     request against these bytes. Generate clients from them.
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
         * @description Returns the same contract for tools that do not read YAML. The gateway converts it from
         *     the YAML when it starts, so the two never differ in meaning.
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
         * @description Returns the contract of the frames of both sockets: an AsyncAPI 3.0 document. It is complete
         *     in itself: the schemas that it shares with this document are in it too.
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
    "/asyncapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the contract of the sockets as JSON
         * @description Returns the same contract of the sockets for tools that do not read YAML. The gateway
         *     converts it from the YAML, so the two never differ in meaning.
         */
        get: operations["getSocketContractJSON"];
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
         * Get this document as a web page
         * @description Returns a page that shows this document, searches it and sends requests. The guides are
         *     at `/docs/guides`. The page loads everything from this gateway, so it also works where no
         *     other host can be reached.
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
         * @description The first call of a new device. Send the activation code that was returned when the
         *     device was provisioned. Write `deviceId` and `deviceSecret` to storage that survives a
         *     reboot **before** doing anything else: the secret is returned only once. Case and dashes of
         *     the code do not matter. A device that knows its id may send it too; the code is then
         *     accepted for that device only.
         *
         *     A code is valid for one registration, for 24 hours unless the operator has set another
         *     lifetime. A wrong, used, expired or foreign code
         *     always returns the same 401 `invalid_activation_code`. A wrong guess does not invalidate a
         *     valid code. Attempts are limited per address: on 429 wait for `Retry-After`.
         *
         *     **If the response is lost**, repeat the call with the same `Idempotency-Key`: until the
         *     device logs in, and for 15 minutes after that, it returns the same secret. The metadata may
         *     have changed meanwhile. Without the key the code is used up, and an administrator must issue
         *     a new one.
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
         * @description Exchanges the device's id and secret for a token, which all other calls send as
         *     `Authorization: Bearer <token>`. Each use of the token renews it for 7 days, up to 30 days
         *     after this login. Keep the token across reboots, and log in again only when a call returns
         *     401 `unauthorized`.
         *
         *     An unknown id and a wrong secret return the same 401 `invalid_credentials`. A suspended
         *     device receives 403 `device_suspended`: try again rarely, such as once an hour. 503 does
         *     not mean that the credentials are wrong: keep them and repeat.
         */
        post: operations["authenticateDevice"];
        /**
         * Log out
         * @description Ends the login whose token this call carries, immediately and on every instance. Other
         *     logins of the device stay valid. So do its claims: their commands are queued again when
         *     their leases expire. Call it before a factory reset or a change of owner.
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
         * Send a heartbeat
         * @description Keeps the device `online`. The response contains the number of commands that the device
         *     could claim, and the ids of its claimed commands whose cancellation was requested. Send
         *     the next heartbeat after `nextHeartbeatMs`. A device that misses several is shown as
         *     `stale`, then as `offline`. `serverTime` may be used to set a clock.
         *
         *     If a heartbeat fails, do not repeat it: send the next one on schedule. A heartbeat does
         *     not extend leases.
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
         * @description Claims up to `limit` of the device's queued commands, highest priority first, each under a
         *     lease of `visibilityTimeoutMs`. With `waitMs` the call waits for a command if the queue is
         *     empty, so that a command reaches the device within milliseconds and without polling. It
         *     returns an empty list if no command arrived. Set the client's own timeout some seconds
         *     above `waitMs`, and claim again immediately after an empty response.
         *
         *     For each command: store `claimToken`, execute the command, extend the lease if that takes
         *     longer, and submit the result. Claim no more commands than can be executed within the
         *     lease, and release those that cannot.
         *
         *     **If the response is lost**, repeat the call with the same `Idempotency-Key` and body:
         *     until the lease expires, it returns the same commands and tokens and counts no attempt. Use
         *     a new key for each new claim. An empty response is not stored under the key. Without a
         *     body, the defaults apply. Only the instance that has made the claim can repeat it, or
         *     without `instanceId` the same login. Otherwise a second machine with a copy of the disk
         *     would get the same commands.
         *
         *     While two instances use the identity of the device in turn, commands that required an
         *     approval are not returned: see `identityConflict` of the device.
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
         * Get one of the device's commands
         * @description For a device that has lost its state, such as after a reboot. The response shows whether
         *     the command is still claimed, how much of the lease is left, and whether cancellation was
         *     requested. It never contains the claim token: a device that has lost the token waits until
         *     the lease expires and claims again.
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
         * Extend the lease of a command
         * @description Sets the lease to expire `extensionMs` from now, so a repeated call does no harm. Call it
         *     when about a third of the lease is left. The lease never expires later than 12 hours after
         *     the first claim of the command; `leaseRemainingMs` is the time that was granted. If
         *     `cancelRequested` is true, a user wants the command stopped: stop if that is safe, and
         *     submit `cancelled`.
         *
         *     409 `claim_expired` means that the lease has expired and the command may be claimed again.
         *     Finish and submit the result, which is recorded unless a newer claim exists. 409
         *     `claim_superseded` means that a newer claim exists: stop working. 409 `command_finished`
         *     means that the command has ended, see `command`.
         */
        post: operations["extendCommand"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/commands/{commandId}/progress": {
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
         * Report the progress of a running command
         * @description Shows users how far a claimed command is, while it runs: `percent`, a `message`, and
         *     `output`, the next part of what the command prints. A field that is absent keeps its value.
         *     Progress never changes the command, its lease or its result. To lose some does no harm, so
         *     do not fail or delay a command because of it. Send at most one report a second: collect what
         *     the command prints meanwhile.
         *
         *     Count `seq` up by one with each report of a claim, from 1. A report whose `seq` is not above
         *     that of an earlier one is a repetition: it changes nothing, so repeat a report whose response
         *     was lost with the same `seq`. A number that is skipped is counted as a missed report, which
         *     users see. `seq` in the response is the newest one of this claim. After a restart of the device,
         *     first send a report with `seq` 0 and nothing else, and continue after the `seq` of the response.
         *
         *     The gateway keeps the last 256 KiB of output, for as long as it keeps the command. The kept
         *     output counts towards the quota `storedBytes`. After 429 `quota_exceeded`, report without
         *     `output`.
         *
         *     If `cancelRequested` is true, a user wants the command stopped: stop if that is safe, and
         *     submit `cancelled`. The refusals are those of extend.
         */
        post: operations["reportProgress"];
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
         * Release a command without a result
         * @description Returns the command to its position in the queue and does not count the attempt. Use it
         *     when the device must stop before it has started the command, such as for a reboot, or when
         *     it has claimed more than it can execute. Do not release a command that was started and
         *     cannot be started twice: submit `failed` instead.
         *
         *     The refusals are those of extend. After 409 `claim_expired` or 409 `claim_superseded` there
         *     is nothing to release.
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
         * Submit the result of a command
         * @description Ends the command. Keep the result until this call has returned 200, also across a reboot,
         *     and repeat the call after a timeout or a 5xx. The same result with the same claim token
         *     returns what is stored, with `duplicate: true`.
         *
         *     A result that arrives after the lease expired is recorded too, and marked `late`, unless a
         *     newer claim exists. In that case the response is 409 `claim_superseded`: discard the
         *     result, because the newer claim will submit one. 409 `command_finished` means that a
         *     different result is recorded. In both cases `command` contains the state of the command, and
         *     the result must not be sent again.
         *
         *     Send `cancelled` only if cancellation was requested and the work was stopped. Truncate
         *     `output` to its limit before sending: a body that is too large is refused as a whole.
         *
         *     With `next: true`, the call also claims the next command of the device, in the same
         *     transaction. The response then has `commands` with it, or with an empty list if no command is
         *     ready: the call does not wait for one. If the response is lost, repeat the call with `next: true`: it returns
         *     the same command and claim token until the lease expires, and counts no attempt. If the
         *     result is refused, nothing is claimed.
         */
        post: operations["submitResult"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/device/trust": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get what receipts are verified with
         * @description Returns the keys that verify [receipts](/docs/guides/receipts), as `GET /.well-known/fieldgate/keys`,
         *     and the roster of the tenant, as `GET /api/v1/customer/roster`. A device that has pinned the
         *     first version of the roster follows the others from it, and trusts none that its approvers have
         *     not signed.
         */
        get: operations["getDeviceTrust"];
        put?: never;
        post?: never;
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
         * Open a device socket
         * @description A WebSocket over which the device claims, extends and releases commands, submits results
         *     and sends heartbeats as over HTTP. The gateway also notifies it immediately of new commands
         *     and of commands to cancel. The frames are in [`asyncapi.yaml`](/asyncapi.yaml), and the
         *     subprotocol is `fieldgate.v1`. Authenticate with the device's token, in `Authorization` or
         *     as a second subprotocol `bearer.<token>`, see "Sockets" in the introduction.
         *
         *     A device has one socket: a newer one closes the older one with 4009, which must then not
         *     reconnect. Leases do not depend on the socket: a claim stays valid while the device
         *     reconnects. The close codes are in the introduction. 4001 requires a new login. 4003 means
         *     that an administrator has revoked the logins, suspended the device or closed the
         *     connection: do not reconnect automatically.
         *
         *     The socket is optional: everything that it does can also be done over HTTP, and both may
         *     be used at the same time.
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
         * List devices
         * @description Lists the tenant's devices, newest first, a page at a time. A device must match all
         *     filters. Decommissioned devices are listed too: filter by `status` to exclude them.
         */
        get: operations["listDevices"];
        put?: never;
        /**
         * Provision a device
         * @description Adds a device to the fleet and returns the activation code with which it registers within
         *     24 hours. Pass `activationCode` to the installer of the device. It is returned only once,
         *     and `instructions` explains its use. If it is lost or has expired, issue a new one.
         *
         *     `externalId`, such as a serial number, is unique within the tenant: a second device with
         *     it is 409 `external_id_taken`. Send an `Idempotency-Key` so that a repeated call does not
         *     add a second device.
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
         * Get a device
         * @description Returns the device with the fields that the list omits: its last heartbeat and the metrics
         *     in it, its active session, and the number of its queued commands.
         */
        get: operations["getDevice"];
        put?: never;
        post?: never;
        /**
         * Decommission a device
         * @description Removes the device from service permanently: its logins end immediately, its activation
         *     code becomes invalid, and its queued and pending commands are cancelled. Its history stays
         *     readable until the retention ends. Then the device is deleted, and its id returns 404
         *     `device_not_found`. This cannot be undone: suspend a device that may return. A repeated
         *     call returns 204 again.
         */
        delete: operations["decommissionDevice"];
        options?: never;
        head?: never;
        /**
         * Update a device
         * @description Changes the fields that are sent and keeps the others. `tags` replaces all tags, so send
         *     those to keep as well; `{}` removes them all. An empty `location` removes it. The
         *     `externalId` of a device cannot be changed. Repeating the same change does no harm. The event
         *     `device.updated` says what has changed, and who did it.
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
         * @description Returns a new code, valid for 24 hours and one registration, and invalidates the previous
         *     one. Use it when a code was lost or has expired, or when a device was reset and must
         *     register again. The registration returns a new secret and invalidates the old one. With
         *     the same `Idempotency-Key` a repeated call returns the same code.
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
         * @description Blocks the device until it is resumed: its logins end immediately, its sockets are closed,
         *     and it cannot log in. Its commands stay queued and may expire. Use it when a device is lost
         *     or misbehaves. Suspending a suspended device changes nothing and returns 200.
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
         * Resume a suspended device
         * @description Allows the device to log in again. The logins that the suspension ended stay ended: the
         *     device logs in with its secret, which is still valid, and receives its queued commands.
         *     Resuming a device that is not suspended changes nothing and returns 200.
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
         * @description Ends every login of the device immediately, on every instance, and closes its sockets. The
         *     device can log in again with its secret. Use it when a token may have leaked. If the secret
         *     itself may have leaked, suspend the device and issue a new activation code. A repeated call
         *     does no harm.
         */
        post: operations["revokeDeviceLogins"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/devices/{deviceId}/resolve-identity": {
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
         * Resolve an identity conflict
         * @description Ends the identity conflict of the device, and commands that were held are delivered. An
         *     identity conflict means that two instances of the device's software use its identity in
         *     turn, such as two machines whose disks are copies: see `identityConflict` of the device.
         *     First switch off the wrong machine, or give it an identity of its own. If another instance
         *     than the one to keep acts again, that is a new conflict, and commands are held again. A call
         *     without a conflict changes nothing.
         */
        post: operations["resolveDeviceIdentity"];
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
         * @description Lists the tenant's sessions, newest first, a page at a time, without their commands. Use
         *     `deviceId` for the history of one device, and `status=active` for the current sessions. A
         *     device of another tenant has an empty list.
         */
        get: operations["listSessions"];
        put?: never;
        /**
         * Open a support session
         * @description Opens a session, in which commands are proposed for one device. A device has at most one
         *     active session: 409 `session_active` names it in `sessionId`, so that the caller can join
         *     it. The session ends when it is closed or after `expiresInSeconds`. Its commands that are
         *     not claimed by then expire. 409 `device_not_active` means that the device is not registered
         *     yet or is suspended. The device does not have to be online.
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
         * Get a session and its commands
         * @description Returns the session with its newest commands, up to 50, as `GET .../commands` lists them, in
         *     the order in which they were proposed. If the session has earlier commands,
         *     `commandsTruncated` is true, and `nextCursor` is the cursor with which `GET .../commands`
         *     continues with those, the newest of them first. To follow a session live, subscribe to its room on the customer socket instead of polling.
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
         * @description Ends the session. Its commands that are pending approval or queued become `expired`. A
         *     claimed command continues, and its result is recorded in the closed session; cancel it
         *     first to stop it. Closing a closed session changes nothing and returns 200.
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
         * @description Lists the session's commands in the order in which they were proposed, a page at a time,
         *     without results and without parameters of more than 4 KiB: `GET` of the command returns
         *     both. The list shows the current state; the timeline of the session shows every change.
         *     A `cursor` keeps the order of its list, so that `order` may be left out with it.
         */
        get: operations["listCommands"];
        put?: never;
        /**
         * Propose a command
         * @description The only way to send a command to a device. The policies of the gateway and of the tenant decide:
         *     the command is queued (`queued`), requires approval (`pending_approval`), or is denied (403
         *     `command_denied`). The stricter of both applies. By default `diagnostic.*` is queued and every other type requires
         *     approval. A proposed command cannot be changed: to correct it, cancel it and propose
         *     another.
         *
         *     Send an `Idempotency-Key`: without one, a repeated call proposes a second command. 409
         *     `session_closed` means that the session has ended: open another. 429 `device_queue_full`
         *     means that 100 commands of the device are queued, or 100 are pending approval: cancel some,
         *     or wait until there are fewer.
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
         * Get a command
         * @description Returns everything about the command: the decision, every attempt of the device, and the
         *     result. Read it before deciding on the command, and send its `digest` with the decision.
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
    "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/receipt": {
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
         * Get the receipt of a command
         * @description Returns the [receipt](/docs/guides/receipts) of a command that was approved, or that needed no approval:
         *     what the gateway vouches for, signed, so that somebody who trusts neither this response nor the store
         *     can verify it. It is a JWS in compact form (RFC 7515) over the statement of the command and the votes
         *     of its approvers, made anew for each request. The device gets one with its claim.
         *
         *     There is none (404 `receipt_not_found`) if the installation signs no receipts, if the command waits for
         *     an approval or was rejected, or if it was proposed before the installation kept statements.
         */
        get: operations["getReceipt"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/output": {
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
         * Get the progress and the output of a running command
         * @description Returns what the device has reported with `progress`: the newest `percent` and `message`, and
         *     the output from the position `since` on. Pass `nextSince` as `since` to read what follows. To
         *     follow a command, subscribe to the room of its session, and read again on each event
         *     `command.progress`; without a socket, read once a second until `complete` is true.
         *
         *     The gateway keeps the last 256 KiB. If `from` is greater than `since`, the output between
         *     them is no longer kept. A new claim of the command starts with no output, at a later position
         *     than that of the earlier claim. After the end of the command, the output stays until
         *     the command is deleted. It is what the device has reported meanwhile; what it has submitted at
         *     the end is `result` of the command.
         *
         *     The output is text of the device, and may contain control characters: do not pass it to a
         *     terminal unchanged.
         */
        get: operations["getCommandOutput"];
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
         * @description A command that is not claimed becomes `cancelled` immediately. A claimed command stays
         *     `claimed` with `cancelRequested`. The device is notified in the response to its next extend,
         *     progress or heartbeat, or immediately over its socket. It then submits `cancelled`, or its result if
         *     it has already finished; read the command to learn which. Cancelling twice does no harm.
         *     409 `command_finished` means that the command has ended in another way.
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
         * Retry a command that has ended
         * @description Proposes a new command with the type, parameters and limits of one that has ended, whose id
         *     is in its `retryOf`. The new command passes the policy again. If the old one required
         *     approval, so does the new one: an approval is valid for one execution. 409
         *     `command_not_finished` means that the old command may still run.
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
         * @description Decides on a command that is pending approval: `approved: true` queues it, `approved: false`
         *     ends it as `rejected`. The decision is recorded with its author, time and reason.
         *     The same decision by the same user returns the recorded one. Any other decision is
         *     409 `already_decided` with the recorded `approval`.
         *
         *     The rule of the command may require the approval of several users: `approval.required`.
         *     Each approval before the last one is a vote, and the command stays pending. One rejection ends
         *     it. The proposer never has a vote then. An approval can be withdrawn until the claim: see
         *     `withdrawVote`. The rule may also require a role (403 `insufficient_role`), a second
         *     factor or a recent sign-in (403 `step_up_required`), or a reason (400 `validation_failed` at
         *     `/reason`). `policy` in the `statement` contains what it requires.
         *
         *     Send the `digest` of the command that the approver saw. If it is not the digest of this
         *     command, the response is 409 `digest_mismatch` and nothing is recorded. After `approveBy`
         *     the response is 409 `approval_expired`. In a tenant with several users, the proposer of a
         *     command may not approve it (403 `self_approval`), but may reject it. If the policy has denied
         *     the type of the command since the proposal, only a rejection is possible (403
         *     `command_denied`).
         *
         *     The operator can require that an approval is made with a sign-in with a second factor:
         *     a token whose `aal` is lower is refused with 403 `step_up_required`, whose `assurance` is
         *     the required level. A token that was issued to an OAuth client (claim `client_id`) may
         *     approve only if the operator has allowed the client (403 `client_not_allowed`). Both may
         *     reject.
         *
         *     A rule with the assurance `passkey` requires an `assertion`: the signature of a
         *     [passkey](/docs/guides/passkeys) of the user whose challenge is the SHA-256 of the statement,
         *     which is the `digest` as bytes. Any approval may have one. One that does not verify is 403
         *     `step_up_required` with the assurance `passkey`, also if the rule requires none. A rejection
         *     needs none: do not sign what you reject.
         */
        post: operations["decideCommand"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/withdraw": {
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
         * Withdraw your approval of a command
         * @description Takes back the caller's own approval until the device claims the command. If the command
         *     then has fewer approvals than it requires, it is `pending_approval` again until `approveBy`;
         *     after that time it expires. The approvals of other users stay. Withdrawing twice changes nothing.
         *     404 `vote_not_found` means that the caller has not approved the command. 409 `already_claimed`
         *     means that the device has the command: cancel it instead. A rejection cannot be withdrawn, because
         *     it ends the command. What `decideCommand` says about the token of an approval applies too: 403
         *     `step_up_required`, 403 `client_not_allowed`.
         */
        post: operations["withdrawVote"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/break-glass": {
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
         * Approve a command alone in an emergency
         * @description Approves a command without the other users whom its rule requires, where the rule allows it.
         *     The event `command.break_glass` and the field `breakGlass` record it, and another user has
         *     to review it afterwards: see `reviewBreakGlass`. The proposer is refused with 403
         *     `self_approval`, unless the rule has `breakGlassByProposer`. Everything else that the rule
         *     requires of an approval applies, and so does what `decideCommand` says about `aal` and OAuth
         *     clients. A rule that does not allow it is 403 `command_denied`, and so is a type that the policy
         *     denies by now, and a command that an admin has approved alone before, and withdrawn: the mark of
         *     the first time stays.
         */
        post: operations["breakGlass"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/break-glass/review": {
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
         * Review a command that an admin has approved alone
         * @description Closes the review of a command that an admin has approved with `breakGlass`. Another user
         *     than the admin and the proposer has to do it (403 `self_approval`). It changes nothing else.
         *     The first review stands. `GET /api/v1/customer/approvals?status=review` lists the commands
         *     without one.
         */
        post: operations["reviewBreakGlass"];
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
         * Get the timeline of a session
         * @description Lists the events of the session, oldest first, each with its actor, time and request id.
         *     An event is written in the same step as the change that it records, so the timeline is
         *     complete. It is kept as long as the session, and is suitable for an audit. To follow a
         *     session live, subscribe to its room on the customer socket.
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
    "/api/v1/customer/commands": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the commands of the tenant
         * @description Lists the tenant's commands on all devices, newest first, a page at a time, without results
         *     and without parameters of more than 4 KiB. A command must match all filters. It answers
         *     questions such as "what failed today" (`status=failed&since=...`) and "what did this user
         *     run" (`proposedBy=...`).
         *
         *     One call examines about 1,000 commands. A page may therefore be short, or even empty,
         *     although more commands match: follow `nextCursor` until there is none, and keep the filters
         *     of the first page. `deviceId`, `sessionId`, `since` and `until` narrow what is examined; the
         *     other filters do not. There are no totals, because they would cost a read of each command.
         *     `GET /api/v1/customer/usage` counts the commands that wait.
         */
        get: operations["listTenantCommands"];
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
         * List the commands that are pending approval
         * @description Lists the commands of all sessions that are pending approval, oldest first. `mayDecide` is
         *     true if the caller may approve the command, and otherwise `whyNot` contains the reason, so
         *     that a page can show a button or the reason. A command with `parametersOmitted` has
         *     parameters of more than 4 KiB: get it before you decide on it. With `status=review` it lists
         *     the commands that an admin has approved alone and that no other user has reviewed. A
         *     page may contain fewer commands than `limit`, or none, although more follow.
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
         * Issue a ticket that opens a socket
         * @description For browsers, which cannot set a header on a WebSocket. The ticket opens
         *     `GET /api/v1/customer/ws?ticket=...` once, within 30 seconds. The socket has the rights of
         *     the token of this call. It is closed when that token expires (close code 4001), unless the
         *     client sends `refresh` with a newer token.
         *
         *     A ticket that a web page requests is valid for pages of the same origin only. A program
         *     that requests one on behalf of a page sends the page's `origin`. There is no
         *     `Idempotency-Key`: if the response is lost, request another ticket. An unused ticket expires
         *     after 30 seconds.
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
         * Open a customer socket
         * @description A WebSocket that delivers events as they happen. Subscribe to the room of a device, of a
         *     session, or of the whole tenant, to receive its events in order. After a lost connection,
         *     subscribe with the `offset` of the last received event: the missed events are delivered
         *     first. The frames are in [`asyncapi.yaml`](/asyncapi.yaml), and the subprotocol is
         *     `fieldgate.v1`.
         *
         *     Authenticate with a JWT, in `Authorization` or as a second subprotocol `bearer.<token>`, or,
         *     in a browser, with a `ticket`, see "Sockets" in the introduction. A JWT in the URL is
         *     refused. The origin of a web page must be that of the gateway or one that the operator has
         *     allowed; otherwise the response is 403 `origin_not_allowed`.
         *
         *     The socket is closed when its token expires (close code 4001), unless the client sends
         *     `refresh` in time. The other close codes are in the introduction.
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
         * List open connections
         * @description Lists the tenant's open sockets, those of devices and those of users, on all instances of
         *     the gateway, a page at a time. The socket of a crashed instance disappears from the list
         *     within 45 seconds. A client finds the id of its own socket in its `welcome` frame.
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
         * Close a connection
         * @description Closes one of the tenant's sockets with 4003, on any instance. A correct client does not
         *     reconnect automatically, but nothing prevents it: to block a device, suspend it. The claims
         *     and the login of a device stay valid. A connection that has already ended is 404
         *     `connection_not_found`, which is therefore also the response to a repeated call.
         */
        delete: operations["closeConnection"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/users/{userId}/cut-off": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the user, the `sub` of its tokens.
                 * @example 9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90
                 */
                userId: components["parameters"]["UserInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cut a user off
         * @description Refuses all tokens of a user that were issued before now, or only those of one session of
         *     the user at the token issuer: with 401 `user_cut_off`, on all instances, within 5 seconds at
         *     most. Open sockets of the user are closed with 4003, unused tickets are refused, and a
         *     decision that is being made is refused too. The event `user.cut_off` names who did it,
         *     without the reason, which only admins read. The gateway does not know the users of the
         *     issuer, so an id that no token has is accepted too.
         *
         *     The rules for approvals apply: if the operator requires a second factor, a token whose `aal`
         *     is lower is refused with 403 `step_up_required`, and a token of an OAuth client that the
         *     operator has not allowed with 403 `client_not_allowed`.
         *
         *     A token counts as issued before now up to 60 seconds after the cut-off, because the clock of
         *     the issuer may be ahead. A user who may return signs in again after that. So first end the
         *     access at the issuer, where the user would otherwise get a new token.
         *
         *     A tenant may have 1,000 cut-offs at the same time; one more is 429 `quota_exceeded` with the
         *     quota `cutOffs`. A cut-off is kept until all tokens that it refuses have expired. Repeating
         *     it also refuses the tokens that were issued since.
         */
        post: operations["cutOff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/cut-offs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List who was cut off
         * @description Lists the cut-offs of the tenant that still refuse tokens, the newest first, a page at a time.
         */
        get: operations["listCutOffs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/passkeys/options": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Get the options of a new passkey
         * @description Returns the options with which the browser creates a passkey (Web Authentication, level 3), for
         *     `PublicKeyCredential.parseCreationOptionsFromJSON`. The challenge is for this user, can be used
         *     once, and is valid for five minutes. New options replace it. The authenticator must verify the
         *     user, by a PIN or a fingerprint.
         *
         *     404 `not_found` means that the operator has not set `FIELDGATE_PASSKEY_RELYING_PARTY`. A user may
         *     have 8 passkeys (429 `quota_exceeded`). The rules for approvals apply to the token: 403
         *     `step_up_required`, 403 `client_not_allowed`.
         */
        post: operations["createPasskeyOptions"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/passkeys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List your passkeys
         * @description Lists the passkeys of the caller, the oldest first. `publicKey` is what the roster of the tenant
         *     has of a passkey.
         */
        get: operations["listPasskeys"];
        put?: never;
        /**
         * Register a passkey
         * @description Registers the passkey that the browser has created from the options of
         *     `POST /api/v1/customer/passkeys/options`: `credential` is its `toJSON()`. The request must come
         *     within five minutes, and each challenge can be used once, also by a registration that is refused
         *     with 400 `validation_failed`. There is no `Idempotency-Key`, because a second request with the
         *     same challenge is refused: list your passkeys if the response is lost.
         */
        post: operations["registerPasskey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/passkeys/{passkeyId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the passkey. */
                passkeyId: components["parameters"]["PasskeyInPath"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Delete a passkey
         * @description Deletes a passkey of the caller, which then signs no approval any more. Approvals that it has
         *     signed stay valid. The roster still has its key: devices accept it until a version without it.
         */
        delete: operations["deletePasskey"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/roster": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the roster
         * @description Returns all versions of the roster of the tenant, the oldest first: the list of the approvers
         *     with the keys of their passkeys. The approvers of each version have signed the next one, so that
         *     whoever knows the first needs not trust the gateway for the others. See the
         *     [guide](/docs/guides/passkeys). `versions` is empty if the tenant has no roster.
         */
        get: operations["getRoster"];
        /**
         * Add a version of the roster
         * @description Adds a version to the roster of the tenant. `document` is JSON whose members are sorted by name
         *     and not repeated: `approvers` with `user`, `keys` and optionally `email`, `origins`,
         *     `relyingParty`, `tenant`, `threshold`, `type` (`fieldgate-roster`) and `version`. Each signature is an
         *     assertion whose challenge is the SHA-256 of the bytes of the document. At least `threshold`
         *     distinct users of the version before must have signed; of the first version, `threshold` of its
         *     own.
         *
         *     The response is 409 `policy_conflict` if `version` is not the next one, and 400
         *     `validation_failed` if the document or a signature is refused. A roster has at most 256 versions
         *     (429 `quota_exceeded`). The rules for approvals apply to the token: 403 `step_up_required`, 403
         *     `client_not_allowed`.
         */
        put: operations["setRoster"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/policy": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the policy
         * @description Returns the policy of the tenant, the change that waits for another admin, and the floor: the
         *     policy of the installation, below which no tenant can go. A tenant without a policy has the
         *     version `0` and no rules; only the floor applies then.
         */
        get: operations["getPolicy"];
        /**
         * Change the policy
         * @description Replaces the policy of the tenant. The first rule that matches a command applies; a command that
         *     no rule matches needs an approval. The policy can only make the floor stricter: of both, the
         *     stricter effect applies, and the conditions of both. All instances apply the change within about
         *     a second, also to commands that wait: a command that is denied now cannot be approved and is not
         *     delivered, and one that needs an approval now goes back to wait for it.
         *
         *     Send the `version` that the document replaces. If another one applies, the response is 409
         *     `policy_conflict`, so that no change of another admin is lost. Without `version` the document
         *     replaces whichever applies.
         *
         *     A change that may require less of some command waits for another admin, who approves or rejects
         *     it with `POST /api/v1/customer/policy/decide`: the response is 202, and the change is in
         *     `pending`. The next change replaces it. The user of a tenant that has no other user need not
         *     wait. Expressions and windows are compared as texts, so that a change may wait although it is
         *     stricter.
         *
         *     Rules that are never reached, patterns that match nothing, and expressions that cost too much
         *     are 400 `validation_failed`, with a pointer to the rule. The rules for approvals apply to the
         *     token as to an approval: 403 `step_up_required`, 403 `client_not_allowed`.
         */
        put: operations["setPolicy"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/policy/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the versions of the policy
         * @description Lists the versions of the policy that have applied, the newest first, at most 20 in a page. The
         *     last 100 are kept. A command names the version and the rule that decided on it.
         */
        get: operations["listPolicyVersions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/policy/decide": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Approve or reject a change of the policy
         * @description Approves or rejects the change that waits, which `version` names. Its author may not approve it
         *     (403 `self_approval`), but may reject it. 409 `policy_conflict` means that this change does not
         *     wait any more. The rules for approvals apply to the token.
         */
        post: operations["decidePolicyChange"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/policy/evaluate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Evaluate the policy
         * @description Returns what a proposal would meet now: the effect, the rule that decides, and why. Nothing is
         *     proposed. Without `proposer`, the caller proposes.
         */
        post: operations["evaluatePolicy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Describe the caller
         * @description Returns what the gateway has read from the token of this call: the user, the tenant, the
         *     role and the assurance level. A page shows this instead of reading the token itself, whose
         *     claims may have other paths. `name` and `email` are for display only: names are not
         *     unique, and users may change them. Only `userId` identifies the user.
         */
        get: operations["getMe"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/customer/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Compare the tenant's usage with its quotas
         * @description Returns the quotas of the tenant and what it uses of each. The operator sets the quotas of
         *     the installation, and may set others for one tenant. A request that would exceed a quota
         *     is refused with 429 `quota_exceeded`, whose `quota` names it. A quota never refuses what
         *     ends, frees or submits something: results, cancellations, decisions and closing sessions
         *     are accepted. An approved command is queued even if `readyCommands` is reached.
         *
         *     | quota | counts | freed by |
         *     |---|---|---|
         *     | `devices` | devices that are not decommissioned | decommissioning a device |
         *     | `openSessions` | active sessions | the end of a session |
         *     | `readyCommands` | commands that are `queued` | a claim, a cancellation, an expiry |
         *     | `pendingApprovals` | commands that are `pending_approval` | a decision, a cancellation, an expiry |
         *     | `storedBytes` | see below | the end of the retention |
         *     | `sockets` | open sockets of devices and of users, on all instances | closing a socket; within 45 seconds after a crash of an instance |
         *     | `waitingClaims` | claims that wait for a command, on the instance that responds | the end of the wait |
         *
         *     `storedBytes` is what the tenant's records count:
         *
         *     * A device counts 6,144 bytes, its `name`, `externalId`, `location` and `metadata`, three
         *       times its tags as JSON and 256 bytes for each tag, because tags have indexes.
         *     * A session counts 1,024 bytes and its description.
         *     * A command counts 2,048 bytes, its proposal as JSON (type, parameters and reason) and its
         *       result as JSON.
         *     * An event of a timeline counts 256 bytes. Events are counted in the background, so this
         *       number may be an hour behind.
         *
         *     The fixed numbers stand for states and indexes. Commands and sessions that an earlier
         *     version of the gateway wrote count nothing.
         */
        get: operations["getUsage"];
        put?: never;
        post?: never;
        delete?: never;
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
         * @description Returns what an operator needs first in an investigation: the build, the uptime, the state
         *     of the services that the instance depends on, and the number of its sockets. It describes
         *     the instance that responds, so repeated calls behind a load balancer may differ. It
         *     contains no secret and no address.
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
        /** @description An id issued by this gateway. An id that does not exist for the caller returns 404, whatever its form. */
        AnyId: string;
        /**
         * @description The id of a request: the caller's own, or one that the gateway generated.
         * @example 01JD3QC9A5H7V2J8W4E6B0T1XM
         */
        RequestId: string;
        /**
         * @description A span of a trace, as in the header `traceparent` of W3C Trace Context. Absent if the
         *     proposal of the command belongs to no sampled trace. In a claimed command, the span of its
         *     delivery to the device: the parent of the spans that the device records.
         * @example 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
         */
        Traceparent: string;
        /**
         * @description The id of a user, a person or a program of the customer: the `sub` of its JWT.
         * @example 9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90
         */
        UserId: string;
        /**
         * @description The type of the command, as the device knows it: words of letters, digits, `_` and `-`,
         *     joined by dots. The policy decides by it. `diagnostic.*` is for commands that change
         *     nothing on the device.
         * @example service.restart
         */
        CommandType: string;
        /**
         * @description The input of the command. The JSON value is delivered to the device unchanged, including
         *     numbers of any size; whitespace and the order of names may change. At most 32 KiB.
         * @example {
         *       "service": "telemetry",
         *       "graceSeconds": 10
         *     }
         */
        CommandParameters: {
            [key: string]: unknown;
        };
        /**
         * @description The structured result of the command. The JSON value is kept unchanged, including numbers
         *     of any size; whitespace and the order of names may change.
         * @example {
         *       "pid": 4711
         *     }
         */
        ResultData: {
            [key: string]: unknown;
        };
        /**
         * @description Labels chosen by the tenant, by which devices can be filtered. A key has 1 to 64 letters,
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
         * @description Measurements of the device, by name. Those of a heartbeat replace all earlier ones.
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
         * @description The administrative status of the device. `provisioned`: not registered yet; `active`: may
         *     log in and work; `suspended`: blocked until it is resumed; `decommissioned`: permanently
         *     out of service. Values may be added; tolerate unknown ones.
         * @enum {string}
         */
        DeviceStatus: "provisioned" | "active" | "suspended" | "decommissioned";
        /**
         * @description Whether the device is reachable. `never_connected`: it has never called; `online`: it called
         *     recently; `stale`: a heartbeat is overdue; `offline`: it has not called for some time. Values
         *     may be added; tolerate unknown ones.
         * @enum {string}
         */
        DevicePresence: "never_connected" | "online" | "stale" | "offline";
        /**
         * @description The device's assessment of its own state. It is shown to users and has no other effect.
         * @enum {string}
         */
        HeartbeatStatus: "ok" | "busy" | "degraded" | "error";
        /**
         * @description The purpose of the session. It can be filtered by, and does not limit the commands of the session.
         * @enum {string}
         */
        SessionType: "diagnostic" | "remediation";
        /**
         * @description `active`: accepts commands; `closed`: closed by a user; `expired`: ended by its time limit.
         *     Values may be added; tolerate unknown ones.
         * @enum {string}
         */
        SessionStatus: "active" | "closed" | "expired";
        /**
         * @description The status of the command, see "The life of a command". `pending_approval`, `queued` and
         *     `claimed` can still change, and so can `timed_out`, if a late result arrives. Values may be
         *     added; tolerate unknown ones.
         * @enum {string}
         */
        CommandStatus: "pending_approval" | "queued" | "claimed" | "succeeded" | "failed" | "timed_out" | "rejected" | "cancelled" | "expired";
        /**
         * @description `succeeded`: executed; `failed`: tried without success; `cancelled`: stopped because
         *     cancellation was requested.
         * @enum {string}
         */
        ResultStatus: "succeeded" | "failed" | "cancelled";
        /**
         * @description The decision.
         * @enum {string}
         */
        Decision: "approved" | "rejected";
        /**
         * @description The order of a list of commands: which of them come first.
         * @enum {string}
         */
        CommandOrder: "oldest" | "newest";
        /**
         * @description Which commands to list: those that are pending approval, or those that wait for the review of
         *     a `breakGlass`.
         * @default pending
         * @enum {string}
         */
        ApprovalStatus: "pending" | "review";
        /**
         * @description Whether the socket is that of a device or of a user of the customer. Values may be added.
         * @enum {string}
         */
        ConnectionKind: "device" | "customer";
        /**
         * @description The kind of actor; `system` is the gateway itself. Values may be added.
         * @enum {string}
         */
        ActorKind: "user" | "device" | "system";
        /** @description The reason why a request was refused (RFC 9457). */
        Problem: {
            /**
             * Format: uri-reference
             * @description The page that explains the code on this gateway: `/docs/errors/` and the code.
             */
            type: string;
            /** @description A short summary, the same for all problems with the same code. */
            title: string;
            /** @description The HTTP status, for programs that see only the body. */
            status: number;
            /** @description A sentence about this occurrence, for people. It never repeats values that the caller sent. */
            detail?: string;
            code: components["schemas"]["ProblemCode"];
            requestId: components["schemas"]["RequestId"];
            /** @description Each invalid part of the request. Only with `validation_failed`. */
            errors?: components["schemas"]["FieldError"][];
            command?: components["schemas"]["CommandState"];
            sessionId?: components["schemas"]["SessionId"];
            approval?: components["schemas"]["RecordedDecision"];
            assurance?: components["schemas"]["Assurance"];
            /**
             * @description The exceeded quota, by its name in `GET /api/v1/customer/usage`; `cutOffs` for the number
             *     of cut-offs, which is fixed. Only with `quota_exceeded`.
             * @example readyCommands
             */
            quota?: string;
        };
        /**
         * @description An authenticator assurance level, from the claim `aal`: `aal1` after a sign-in, `aal2` after
         *     a second factor. In a problem, the level that is required; only with `step_up_required`.
         * @example aal2
         */
        Assurance: string;
        /**
         * @description The stable code of the problem, for programs. The table under "Errors" explains each.
         *     Codes may be added: treat an unknown one by its HTTP status.
         * @example claim_superseded
         */
        ProblemCode: string;
        /** @description An invalid part of a request. */
        FieldError: {
            /**
             * @description A JSON pointer into the body, or `/query/...`, `/path/...` or `/header/...` with the name
             *     of the parameter.
             * @example /limit
             */
            pointer: string;
            /**
             * @description The violated rule, such as `maxLength` or `required`.
             * @example maximum
             */
            keyword: string;
            /**
             * @description The rule in words, without the value that violates it.
             * @example must be at most 10
             */
            reason: string;
        };
        /** @description The state of the command that the problem is about. It saves the caller a second request. */
        CommandState: {
            id: components["schemas"]["CommandId"];
            status: components["schemas"]["CommandStatus"];
            /** @description The number of the newest attempt; 0 before the first claim. */
            attempt: number;
        };
        /** @description The liveness of the process. */
        Health: {
            /**
             * @description Always `ok`.
             * @enum {string}
             */
            status: "ok";
            /**
             * Format: date-time
             * @description The current time of the process.
             */
            timestamp: string;
        };
        /** @description Whether this instance accepts traffic, and why. */
        Readiness: {
            /** @description Whether to send traffic to this instance. */
            ready: boolean;
            /** @description Whether the instance is shutting down. */
            draining: boolean;
            checks: components["schemas"]["ReadinessChecks"];
        };
        /** @description The services that the instance depends on. */
        ReadinessChecks: {
            redis: components["schemas"]["DependencyCheck"];
            supabase: components["schemas"]["DependencyCheck"];
        };
        /** @description The state of a service, as this instance sees it. */
        DependencyCheck: {
            /** @description Whether the service works. */
            ok: boolean;
            /**
             * Format: double
             * @description The duration of its last response, in milliseconds.
             */
            latencyMs?: number;
            /** @description The problem in general words, without addresses. */
            error?: string;
        };
        /** @description The version and nothing else. */
        Version: {
            /** @description The released version; `dev` for a development build. */
            version: string;
        };
        /** @description The document as text. */
        ContractText: string;
        /** @description A contract as an object. */
        ContractObject: {
            [key: string]: unknown;
        };
        /** @description The request by which a new device gets its secret. */
        RegisterDeviceRequest: {
            /** @description The code from provisioning, `XXXX-XXXX-XXXX`. Case and dashes do not matter. */
            activationCode: string;
            /**
             * @description The id of the device, if it knows it. The code is then accepted for this device only. Like
             *     the code it is compared and not validated, so a wrong one is 401 and not 400.
             */
            deviceId?: string;
            metadata?: components["schemas"]["DeviceMetadata"];
        };
        /**
         * @description Properties that the device reports about itself, as strings. `model` and `firmwareVersion`
         *     are shown to users. `serialNumber`, the number on the label of the device, and all others
         *     are stored.
         * @example {
         *       "model": "PX-400",
         *       "firmwareVersion": "2.8.1",
         *       "serialNumber": "PX4-001873"
         *     }
         */
        DeviceMetadata: {
            [key: string]: components["schemas"]["MetadataValue"];
        };
        /** @description The value of a property. */
        MetadataValue: string;
        /** @description The identity of a device. The secret is returned only once. */
        RegisteredDevice: {
            deviceId: components["schemas"]["DeviceId"];
            /** @description The secret to log in with, 256 random bits. Treat it as an opaque string. */
            deviceSecret: string;
            /**
             * Format: date-time
             * @description The time of the first registration.
             */
            registeredAt: string;
        };
        /**
         * @description A random id that the device's software makes anew at each start. The gateway notices with it
         *     that two machines use one identity.
         * @example 4EXAMPLE7K2MQ9TX4WPA6R3Z5V
         */
        InstanceId: string;
        /** @description The credentials of a device, as its registration returned them. */
        AuthenticateDeviceRequest: {
            instanceId?: components["schemas"]["InstanceId"];
            /** @description The id of the device. It is compared and not validated, so a wrong one is 401 and not 400. */
            deviceId: string;
            /** @description The secret of the device. */
            deviceSecret: string;
        };
        /** @description A login of a device. */
        DeviceLogin: {
            /** @description The token to send as a bearer token. Treat it as an opaque string. */
            token: string;
            /** @description The lifetime of the token if it is not used. Each use renews it. */
            expiresInSeconds: number;
            /**
             * Format: date-time
             * @description The end of that lifetime, by the clock of the gateway.
             */
            expiresAt: string;
            deviceId: components["schemas"]["DeviceId"];
        };
        /** @description The state of the device. */
        HeartbeatRequest: {
            status: components["schemas"]["HeartbeatStatus"];
            /** @description The reason of the status, in words, for the users who look at the device. */
            reason?: string;
            metrics?: components["schemas"]["Metrics"];
            /** @description The current version of the firmware, if it may have changed. */
            firmwareVersion?: string;
        };
        /** @description The commands that concern the device now, and the time of the next heartbeat. */
        HeartbeatReply: {
            /**
             * Format: date-time
             * @description The current time of the gateway.
             */
            serverTime: string;
            /** @description The delay before the next heartbeat, in milliseconds. */
            nextHeartbeatMs: number;
            /** @description The number of commands that the device could claim now. */
            pendingCommands: number;
            /** @description The commands that the device has claimed and whose cancellation was requested. */
            cancelRequested: components["schemas"]["CommandId"][];
        };
        /** @description The number of commands to claim and the duration of their leases. */
        ClaimRequest: {
            instanceId?: components["schemas"]["InstanceId"];
            /**
             * @description The maximum number of commands.
             * @default 1
             */
            limit?: number;
            /**
             * @description The duration of the lease of each command, in milliseconds.
             * @default 300000
             */
            visibilityTimeoutMs?: number;
            /**
             * @description How long to wait for a command if the queue is empty, in milliseconds.
             * @default 0
             */
            waitMs?: number;
        };
        /** @description The commands to execute, highest priority first. */
        ClaimedCommands: {
            /** @description The commands, each under its own lease. */
            commands: components["schemas"]["ClaimedCommand"][];
        };
        /** @description A command and its lease. */
        ClaimedCommand: {
            id: components["schemas"]["CommandId"];
            sessionId: components["schemas"]["SessionId"];
            type: components["schemas"]["CommandType"];
            parameters: components["schemas"]["CommandParameters"];
            statement?: components["schemas"]["Statement"];
            receipt?: components["schemas"]["SignedReceipt"];
            priority: components["schemas"]["Priority"];
            /** @description The number of this attempt. If it is above 1, an earlier attempt may have started the command. */
            attempt: number;
            maxAttempts: components["schemas"]["MaxAttempts"];
            claimToken: components["schemas"]["ClaimToken"];
            /**
             * Format: date-time
             * @description The time of the claim.
             */
            claimedAt: string;
            /**
             * Format: date-time
             * @description The end of the lease, by the clock of the gateway.
             */
            visibleUntil: string;
            leaseRemainingMs: components["schemas"]["LeaseRemainingMs"];
            /**
             * Format: date-time
             * @description The time until which the command could be claimed.
             */
            deliverBy: string;
            requestId: components["schemas"]["RequestId"];
            traceparent?: components["schemas"]["Traceparent"];
            approval?: components["schemas"]["ClaimApproval"];
        };
        /**
         * @description The complete description of the command, in base64url without padding: a JSON object that was
         *     encoded once, when the command was proposed. The SHA-256 of the bytes is the `digest`. The
         *     [guide](/docs/guides/sessions-and-approvals#the-statement) lists the members. Absent for a
         *     command that was proposed before the installation kept statements.
         * @example eyJjb21tYW5kIjoiY21kX2FhMDFLQVExTTM3UTlOOVI3VDhGVjRZWDBNVjVQIn0
         */
        Statement: string;
        /**
         * @description What the gateway vouches for, signed: the statement of the command, and who has approved it. A JWS in
         *     compact form; the [guide](/docs/guides/receipts) lists its members. Absent if the installation signs
         *     no receipts.
         * @example eyJhbGciOiJFZERTQSIsImtpZCI6IjFubWYifQ.eyJ2ZXJzaW9uIjoxfQ.c2lnbmF0dXJl
         */
        SignedReceipt: string;
        /** @description Public keys that verify receipts, as a JSON Web Key Set. */
        SigningKeys: {
            /** @description The keys, the signing one first. */
            keys: components["schemas"]["SigningKey"][];
        };
        /** @description A public key as a JSON Web Key (RFC 7517), for Ed25519 (RFC 8037) or P-256 (RFC 7518). */
        SigningKey: {
            /**
             * @description The type of the key.
             * @enum {string}
             */
            kty: "OKP" | "EC";
            /**
             * @description The curve of the key.
             * @enum {string}
             */
            crv: "Ed25519" | "P-256";
            /**
             * @description The algorithm of its signatures.
             * @enum {string}
             */
            alg: "EdDSA" | "ES256";
            /**
             * @description What the key is used for.
             * @enum {string}
             */
            use: "sig";
            /** @description The id of the key: its thumbprint (RFC 7638). */
            kid: string;
            /** @description The public key, or the x coordinate of its point, in base64url. */
            x: string;
            /** @description The y coordinate of the point of a P-256 key. */
            y?: string;
        };
        /** @description The approval of the command. Absent if none was required. */
        ClaimApproval: {
            decidedBy: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description The time of the approval.
             */
            decidedAt: string;
        };
        /**
         * @description The priority of the command; 9 is the highest.
         * @example 5
         */
        Priority: number;
        /**
         * @description The maximum number of claims before the command times out.
         * @example 1
         */
        MaxAttempts: number;
        /**
         * @description The proof of a claim, from the response to it. Treat it as an opaque string.
         * @example t4Xn8qLz2vRb6mKc
         */
        ClaimToken: string;
        /**
         * @description The remaining time of the lease, in milliseconds. Count down from it with a monotonic clock.
         * @example 60000
         */
        LeaseRemainingMs: number;
        /** @description The claim to extend, and for how long. */
        ExtendRequest: {
            claimToken: components["schemas"]["ClaimToken"];
            /** @description The duration of the lease from now, in milliseconds. */
            extensionMs: number;
        };
        /** @description The current lease. */
        Lease: {
            commandId: components["schemas"]["CommandId"];
            /**
             * Format: date-time
             * @description The end of the lease, by the clock of the gateway.
             */
            visibleUntil: string;
            leaseRemainingMs: components["schemas"]["LeaseRemainingMs"];
            /** @description Whether the cancellation of the command was requested. */
            cancelRequested: boolean;
        };
        /** @description How far a claimed command is. */
        ProgressRequest: {
            claimToken: components["schemas"]["ClaimToken"];
            /** @description The number of the report, one more than that of the report before it of the same claim. */
            seq: number;
            /**
             * Format: double
             * @description How much of the work is done, in percent.
             */
            percent?: number;
            /** @description What the command is doing, for people. */
            message?: string;
            /** @description What the command has printed since the last report, in UTF-8. */
            output?: string;
        };
        /** @description The newest report, and the lease of the command. */
        ProgressReply: {
            commandId: components["schemas"]["CommandId"];
            /** @description The number of the newest report of this claim. */
            seq: number;
            leaseRemainingMs: components["schemas"]["LeaseRemainingMs"];
            /** @description Whether the cancellation of the command was requested. */
            cancelRequested: boolean;
        };
        /** @description The claim to release, and why. */
        ReleaseRequest: {
            claimToken: components["schemas"]["ClaimToken"];
            reason?: components["schemas"]["Reason"];
        };
        /** @description The state of the command after its release. */
        ReleasedCommand: {
            commandId: components["schemas"]["CommandId"];
            status: components["schemas"]["CommandStatus"];
        };
        /** @description The result of the command. */
        ResultRequest: {
            claimToken: components["schemas"]["ClaimToken"];
            status: components["schemas"]["ResultStatus"];
            /** @description The output of the command, for people, in UTF-8. Truncate it to the limit before sending. */
            output?: string;
            /** @description The reason of a failure, for people. */
            error?: string;
            data?: components["schemas"]["ResultData"];
            /**
             * Format: date-time
             * @description The time at which the device started the command, by its own clock. It is shown and not computed with.
             */
            executedAt?: string;
            /**
             * Format: int64
             * @description The duration of the execution, in milliseconds.
             */
            durationMs?: number;
            /**
             * @description Whether to claim the next command of the device in the same call.
             * @default false
             */
            next?: boolean;
            /**
             * @description The duration of the lease of the next command, in milliseconds. Without `next` it is ignored.
             * @default 300000
             */
            visibilityTimeoutMs?: number;
        };
        /** @description The state of the command after its result. */
        RecordedResult: {
            commandId: components["schemas"]["CommandId"];
            status: components["schemas"]["CommandStatus"];
            /** @description Whether the result arrived after the lease had expired. */
            late: boolean;
            /** @description Whether the same result was recorded before. */
            duplicate: boolean;
            /** @description With `next`, the command to execute next under its own lease, or an empty list. Absent without `next`. */
            commands?: components["schemas"]["ClaimedCommand"][];
        };
        /** @description The state of a command, as its device may see it. */
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
             * @description The time until which the command can be claimed.
             */
            deliverBy: string;
            /**
             * Format: date-time
             * @description The time of the newest claim.
             */
            claimedAt?: string;
            /**
             * Format: date-time
             * @description The end of the lease. Only while the command is claimed.
             */
            visibleUntil?: string;
            leaseRemainingMs?: components["schemas"]["LeaseRemainingMs"];
            /**
             * Format: date-time
             * @description The time at which the command ended.
             */
            finishedAt?: string;
            /** @description Whether the cancellation of the command was requested. */
            cancelRequested: boolean;
            /** @description Whether the result arrived after the lease had expired. */
            late: boolean;
        };
        /**
         * @description The number of claims of the command. A released claim does not count.
         * @example 1
         */
        AttemptCount: number;
        /** @description The device to add to the fleet. */
        ProvisionDeviceRequest: {
            name: components["schemas"]["DeviceName"];
            externalId?: components["schemas"]["ExternalId"];
            location?: components["schemas"]["DeviceLocation"];
            tags?: components["schemas"]["Tags"];
        };
        /** @description The fields to change. Fields that are not sent keep their values. */
        UpdateDeviceRequest: {
            name?: components["schemas"]["DeviceName"];
            location?: components["schemas"]["DeviceLocation"];
            tags?: components["schemas"]["Tags"];
        };
        /**
         * @description The display name of the device.
         * @example Pump station 12
         */
        DeviceName: string;
        /**
         * @description The tenant's own id of the device, such as its serial number, unique within the tenant.
         * @example PX4-001873
         */
        ExternalId: string;
        /**
         * @description The location of the device, in words.
         * @example Hall 3, Leipzig
         */
        DeviceLocation: string;
        /** @description A new device and the activation code with which it registers. */
        ProvisionedDevice: {
            device: components["schemas"]["Device"];
            /** @description The code. It is returned only once. */
            activationCode: string;
            /**
             * Format: date-time
             * @description The time until which the code is valid.
             */
            activationExpiresAt: string;
            /** @description How to use the code, for the installer of the device. */
            instructions: string;
        };
        /** @description A code with which a device registers. */
        ActivationCode: {
            /** @description The code. It is returned only once. */
            activationCode: string;
            /**
             * Format: date-time
             * @description The time until which the code is valid.
             */
            activationExpiresAt: string;
        };
        /**
         * @description A device of the fleet. `lastHeartbeat`, `metrics`, `activeSessionId` and `pendingCommands`
         *     are present only in the response to `getDevice`.
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
             * @description The time of the last call of the device. Absent if there was none.
             */
            lastSeen?: string;
            /**
             * Format: date-time
             * @description The time at which the device was provisioned.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description The time at which the device registered.
             */
            registeredAt?: string;
            /** @description The version of the firmware that the device reported last. */
            firmwareVersion?: string;
            /** @description The model that the device reported when it registered. */
            model?: string;
            identityConflict?: components["schemas"]["IdentityConflict"];
            lastHeartbeat?: components["schemas"]["LastHeartbeat"];
            metrics?: components["schemas"]["Metrics"];
            activeSessionId?: components["schemas"]["SessionId"];
            /** @description The number of commands that the device could claim now. */
            pendingCommands?: number;
        };
        /**
         * @description Two instances of the device's software use its identity in turn: an earlier instance acted
         *     after a newer one had taken its place. They are often two machines whose disks are copies.
         *     Until the conflict is resolved with `resolveDeviceIdentity`, or the device registers again,
         *     commands that required an approval stay `queued`. Absent if there is no conflict.
         */
        IdentityConflict: {
            /**
             * Format: date-time
             * @description The time at which the gateway noticed the conflict.
             */
            since: string;
            /** @description The latest instances, in the order in which they appeared. */
            instances: components["schemas"]["DeviceInstance"][];
        };
        /** @description One start of the device's software. */
        DeviceInstance: {
            instanceId: components["schemas"]["InstanceId"];
            /**
             * Format: date-time
             * @description The time at which the instance appeared.
             */
            firstSeen: string;
            /**
             * Format: date-time
             * @description The time of the last known call of the instance. It may be a minute old.
             */
            lastSeen: string;
            /** @description The address from which the instance logged in. */
            address?: string;
        };
        /** @description The instance that is right. */
        ResolveIdentityRequest: {
            /**
             * @description The `instanceId` of an instance of the conflict, or `newest`.
             * @example newest
             */
            keep: string;
            reason?: components["schemas"]["Reason"];
        };
        /** @description The newest heartbeat of a device. Absent if there was none. */
        LastHeartbeat: {
            status: components["schemas"]["HeartbeatStatus"];
            /** @description The reason of the status, in words, for the users who look at the device. */
            reason?: string;
            /**
             * Format: date-time
             * @description The time at which the heartbeat arrived.
             */
            receivedAt: string;
        };
        /** @description A page of devices. */
        DeviceList: {
            /** @description The items of this page. */
            items: components["schemas"]["Device"][];
            nextCursor?: components["schemas"]["NextCursor"];
            /**
             * Format: int64
             * @description The number of devices on all pages together, at the time of this one. Absent with `q`, and with `status`
             *     and `tag` at once: only reading every device would tell.
             */
            total?: number;
        };
        /**
         * @description The `cursor` of the next page. Absent on the last page.
         * @example MDFqZDNxOHp2Ng
         */
        NextCursor: string;
        /**
         * @description The reason, in words, for readers of the timeline.
         * @example agreed with the site
         */
        Reason: string;
        /** @description The reason of the operation. The body is optional. */
        ReasonRequest: {
            reason?: components["schemas"]["Reason"];
        };
        /** @description The session to open. */
        OpenSessionRequest: {
            deviceId: components["schemas"]["AnyId"];
            type: components["schemas"]["SessionType"];
            /** @description The subject of the session, in words. */
            description?: string;
            /**
             * @description The maximum duration of the session, in seconds.
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
            /** @description The subject of the session, in words. */
            description?: string;
            createdBy: components["schemas"]["UserId"];
            createdByActor?: components["schemas"]["ActorDetails"];
            /**
             * Format: date-time
             * @description The time at which the session was opened.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description The time at which the session expires.
             */
            expiresAt: string;
            /**
             * Format: date-time
             * @description The time at which the session ended. Absent while it is active.
             */
            closedAt?: string;
            /**
             * @description The newest of the session's commands, up to 50, oldest first, as a list contains them.
             *     Present only in the response to `getSession`.
             */
            commands?: components["schemas"]["Command"][];
            /** @description True if the session has earlier commands than `commands` contains, otherwise absent. */
            commandsTruncated?: boolean;
            /**
             * @description Pass it as `cursor` to `GET .../commands` to get the earlier commands, the newest of them
             *     first. Absent unless `commandsTruncated` is true.
             * @example MDFqZDNxOHp2Ng
             */
            nextCursor?: string;
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
             * @description The priority of the command; 9 is the highest.
             * @default 5
             */
            priority?: number;
            reason?: components["schemas"]["Reason"];
            /**
             * @description The maximum number of claims before the command times out. The default is 1 if the command
             *     requires approval, and 3 otherwise.
             */
            maxAttempts?: number;
            /**
             * @description How long the command may wait for the device, in seconds from now. The default is 24 hours.
             *     The end of the session ends the wait in any case.
             */
            deliverWithinSeconds?: number;
        };
        /** @description A command for one device. What it asks of the device never changes after it is proposed. */
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
             * @description SHA-256 of the `statement`, in hexadecimal. It identifies what a decision is about. If the
             *     command has no statement, the digest covers the tenant, the device, the type, the
             *     parameters and the limits.
             */
            digest: string;
            statement?: components["schemas"]["Statement"];
            proposedBy: components["schemas"]["UserId"];
            proposedByActor?: components["schemas"]["ActorDetails"];
            reason?: components["schemas"]["Reason"];
            requestId: components["schemas"]["RequestId"];
            traceparent?: components["schemas"]["Traceparent"];
            retryOf?: components["schemas"]["CommandId"];
            /**
             * Format: date-time
             * @description The time at which the command was proposed.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description The time until which the command can be approved, `deliverBy` at the latest. Absent if it requires no approval.
             */
            approveBy?: string;
            /**
             * Format: date-time
             * @description The time until which the device can claim the command. It is never after the end of the session.
             */
            deliverBy: string;
            /**
             * Format: date-time
             * @description The time of the newest claim.
             */
            claimedAt?: string;
            /**
             * Format: date-time
             * @description The end of the lease. Only while the command is claimed.
             */
            visibleUntil?: string;
            /**
             * Format: date-time
             * @description The time at which the command ended.
             */
            finishedAt?: string;
            /**
             * Format: date-time
             * @description The time at which the gateway set the command aside, because its record cannot be read or was changed
             *     in the store. The device does not get it: cancel it, and propose it again. `approval` has no vote that
             *     no user has made. Absent otherwise, and after the end of the command.
             */
            setAsideAt?: string;
            /** @description Whether the cancellation of the command was requested. */
            cancelRequested: boolean;
            /** @description Whether the result arrived after the lease had expired. */
            late: boolean;
            policy?: components["schemas"]["CommandPolicy"];
            approval?: components["schemas"]["Approval"];
            breakGlass?: components["schemas"]["BreakGlass"];
            result?: components["schemas"]["CommandResult"];
            resultConflict?: components["schemas"]["ResultConflict"];
            /** @description Each claim of the command, oldest first. Present only in the response to `getCommand`. */
            attempts?: components["schemas"]["CommandAttempt"][];
            /**
             * @description True if a list omits the parameters because they have more than 4 KiB, otherwise
             *     absent. `parameters` is then `{}`; `GET` of the command returns them.
             */
            parametersOmitted?: boolean;
            /**
             * @description True if the command has a result, which lists omit, otherwise absent. `GET` of the
             *     command returns it.
             */
            resultOmitted?: boolean;
            /** @description Whether the caller may approve the command. Present only in the list of approvals. */
            mayDecide?: boolean;
            /** @description The reason why the caller may not approve the command. Present only in the list of approvals. */
            whyNot?: string;
        };
        /**
         * @description The rule that applied to the proposal, as the `statement` contains it. Absent for a command
         *     without one, and if a list omits its parameters.
         */
        CommandPolicy: {
            /**
             * @description The version of the rules.
             * @example 1f2a3b4c5d6e
             */
            version: string;
            /**
             * @description The rule. Absent if none matched.
             * @example remediation.*
             */
            rule?: string;
        };
        /** @description The decision that ended the wait of a command. */
        RecordedDecision: {
            decision: components["schemas"]["Decision"];
            decidedBy: components["schemas"]["UserId"];
            decidedByActor?: components["schemas"]["ActorDetails"];
            /**
             * Format: date-time
             * @description The time of the decision.
             */
            decidedAt: string;
            reason?: components["schemas"]["Reason"];
        };
        /**
         * @description The decision on a command, and the votes. `decision`, `decidedBy` and `decidedAt` are those of
         *     the vote that ended the wait. They are absent while a command that requires several approvals
         *     waits for them.
         */
        Approval: {
            decision?: components["schemas"]["Decision"];
            decidedBy?: components["schemas"]["UserId"];
            decidedByActor?: components["schemas"]["ActorDetails"];
            /**
             * Format: date-time
             * @description The time of the decision.
             */
            decidedAt?: string;
            reason?: components["schemas"]["Reason"];
            /**
             * @description The number of distinct users who must approve the command. The proposer is none of them if it is more than 1.
             * @example 2
             */
            required?: number;
            /** @description The votes, oldest first. */
            votes?: components["schemas"]["Vote"][];
        };
        /** @description What one user has decided on a command. */
        Vote: {
            user: components["schemas"]["ActorDetails"];
            decision: components["schemas"]["Decision"];
            /**
             * Format: date-time
             * @description The time of the vote.
             */
            at: string;
            reason?: components["schemas"]["Reason"];
            aal?: components["schemas"]["Assurance"];
            passkey?: components["schemas"]["PasskeyId"];
        };
        /**
         * @description An admin has approved the command without the other users whom its rule requires. Present from
         *     then on, whatever becomes of the command.
         */
        BreakGlass: {
            by: components["schemas"]["ActorDetails"];
            /**
             * Format: date-time
             * @description The time of the approval.
             */
            at: string;
            reason: components["schemas"]["Reason"];
            reviewedBy?: components["schemas"]["ActorDetails"];
            /**
             * Format: date-time
             * @description The time of the review. Absent before it.
             */
            reviewedAt?: string;
            /** @description What the reviewer has found. */
            comment?: string;
        };
        /** @description Why an admin approves a command alone. */
        BreakGlassRequest: {
            /**
             * @description The reason, in words, for readers of the timeline and for the reviewer.
             * @example the line stands still and no other approver is awake
             */
            reason: string;
            /** @description The `digest` of the command that the admin saw. If it differs, the command is not approved. */
            digest?: string;
            assertion?: components["schemas"]["PasskeyAssertion"];
        };
        /** @description What the reviewer has found. */
        BreakGlassReviewRequest: {
            /**
             * @description What the reviewer has found.
             * @example the line stood still, and nobody else was awake
             */
            comment: string;
        };
        /** @description What the device has reported while it ran the command. */
        CommandOutput: {
            /** @description The output from the position `from` on. */
            output: string;
            /** @description The position of the first byte of `output` in all output of the command. It is greater than `since` if the output before it is no longer kept. */
            from: number;
            /** @description The position after the last byte of `output`. */
            nextSince: number;
            /** @description Whether the command has ended, so that no more output follows. */
            complete: boolean;
            /**
             * Format: double
             * @description How much of the work is done, in percent. Absent if the newest claim has not reported it.
             */
            percent?: number;
            /** @description What the command is doing, for people. Absent if the newest claim has not reported it. */
            message?: string;
            /** @description The number of the newest report of the newest claim that has reported. Absent if there is none. */
            seq?: number;
            /** @description The number of reports of that claim that did not arrive. Some output is missing then. */
            missed?: number;
            /**
             * Format: date-time
             * @description The time of the newest report. Absent if there is none.
             */
            reportedAt?: string;
        };
        /** @description The result that the device submitted. Absent before that. */
        CommandResult: {
            /** @description The output of the command. */
            output?: string;
            /** @description The reason of a failure. */
            error?: string;
            data?: components["schemas"]["ResultData"];
            /**
             * Format: date-time
             * @description The time at which the device started the command, by its own clock.
             */
            executedAt?: string;
            /**
             * Format: int64
             * @description The duration of the execution, in milliseconds.
             */
            durationMs?: number;
        };
        /**
         * @description Another result that the device submitted after the command had ended. It was refused with
         *     `command_finished`, and changes nothing. Two machines with one identity may have executed
         *     the command. Only the first such result is kept. Present only in the response to
         *     `getCommand`.
         */
        ResultConflict: {
            status: components["schemas"]["ResultStatus"];
            /**
             * Format: date-time
             * @description The time at which the result arrived.
             */
            receivedAt: string;
            result: components["schemas"]["CommandResult"];
            /** @description True if the output, the error or the data had more than 8 KiB and was cut or left out, otherwise absent. */
            shortened?: boolean;
        };
        /** @description One claim of a command, and its outcome. */
        CommandAttempt: {
            attempt: components["schemas"]["AttemptCount"];
            /**
             * Format: date-time
             * @description The time of the claim.
             */
            claimedAt: string;
            /**
             * Format: date-time
             * @description The time at which the claim ended. Absent while it lasts.
             */
            endedAt?: string;
            /**
             * @description How the claim ended: `released`, `requeued` (the lease expired), `timed_out`, `succeeded`,
             *     `failed` or `cancelled`. Values may be added.
             */
            outcome?: string;
        };
        /** @description A page of commands. */
        CommandList: {
            /** @description The items of this page. */
            items: components["schemas"]["Command"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description A decision on one command. */
        DecisionRequest: {
            commandId: components["schemas"]["AnyId"];
            /** @description Whether the command may run. */
            approved: boolean;
            reason?: components["schemas"]["Reason"];
            /** @description The `digest` of the command that the approver saw. If it differs, the decision is refused. */
            digest?: string;
            assertion?: components["schemas"]["PasskeyAssertion"];
        };
        /** @description The command with the decision on it. */
        DecidedCommand: {
            command: components["schemas"]["Command"];
        };
        /** @description A page of a timeline. */
        EventList: {
            /** @description The items of this page. */
            items: components["schemas"]["Event"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description A change that was recorded. */
        Event: {
            /** @description The position of the event in the timeline. */
            id: string;
            type: components["schemas"]["EventType"];
            /**
             * Format: date-time
             * @description The time of the change.
             */
            time: string;
            actor?: components["schemas"]["Actor"];
            actorDetails?: components["schemas"]["ActorDetails"];
            requestId?: components["schemas"]["RequestId"];
            traceparent?: components["schemas"]["Traceparent"];
            deviceId?: components["schemas"]["DeviceId"];
            sessionId?: components["schemas"]["SessionId"];
            commandId?: components["schemas"]["CommandId"];
            data?: components["schemas"]["EventData"];
        };
        /**
         * @description The kind of change. Of a device: `device.registered`, `device.updated`, `device.presence`,
         *     `device.suspended`, `device.resumed`, `device.logins_revoked`, `device.identity_conflict`,
         *     `device.identity_resolved`, `device.decommissioned`. Of a session: `session.opened`, `session.closed`,
         *     `session.expired`. Of a command:
         *     `command.proposed`, `command.approved`, `command.rejected`, `command.claimed`,
         *     `command.requeued`, `command.released`, `command.succeeded`, `command.failed`,
         *     `command.timed_out`, `command.cancel_requested`, `command.cancelled`,
         *     `command.expired`, `command.result_conflict`, `command.vote`, `command.vote_withdrawn`,
         *     `command.break_glass`, `command.break_glass_reviewed`. Only sockets receive `user.cut_off`,
         *     `policy.changed`, `roster.changed`, `passkey.registered`, `passkey.deleted`, and
         *     `command.progress` of a running command. Values may be added;
         *     tolerate unknown ones.
         * @example command.proposed
         */
        EventType: string;
        /**
         * @description Further data of the event, such as the status after it or its reason.
         * @example {
         *       "type": "service.restart",
         *       "status": "pending_approval"
         *     }
         */
        EventData: {
            [key: string]: unknown;
        };
        /** @description The user or device that caused the event, or the gateway. */
        Actor: {
            kind: components["schemas"]["ActorKind"];
            /** @description The id of the user or device; `system` for changes that the gateway makes by itself. */
            id: string;
        };
        /**
         * @description A user or device that has acted, or the gateway, with the name and the e-mail address of
         *     a user for display. They are those of the user's token at the time of the act, and stay
         *     as they were when the user changes them. Users may be able to choose their names, so only
         *     `id` identifies the actor.
         */
        ActorDetails: {
            kind: components["schemas"]["ActorKind"];
            /** @description The id of the user or device; `system` for changes that the gateway makes by itself. */
            id: string;
            /**
             * @description The name of the user. Absent if the token had none that can be displayed, for a device,
             *     and if an earlier release has recorded the act.
             */
            name?: string;
            /** @description The e-mail address of the user. Absent like `name`. */
            email?: string;
        };
        /** @description The origin that the ticket is valid for. The body is optional. */
        IssueTicketRequest: {
            /**
             * @description The origin of the page that will open the socket, as its browser sends it: `https` or
             *     `http`, the host in lower case, and a port unless it is the default one. The default is
             *     the `Origin` of this request; without that header, the ticket is valid for a program that
             *     is not a browser. Anything else, such as an address with a path, is `validation_failed`.
             * @example https://fleet.example.com
             */
            origin?: string;
        };
        /** @description A ticket that opens one socket. */
        Ticket: {
            /** @description The value of the query parameter `ticket`. Treat it as an opaque string. */
            ticket: string;
            /**
             * Format: date-time
             * @description The time until which the ticket is valid.
             */
            expiresAt: string;
        };
        /** @description An open socket. */
        Connection: {
            id: components["schemas"]["ConnectionId"];
            kind: components["schemas"]["ConnectionKind"];
            deviceId?: components["schemas"]["DeviceId"];
            userId?: components["schemas"]["UserId"];
            openedByActor?: components["schemas"]["ActorDetails"];
            /** @description The `User-Agent` of the client. */
            agent?: string;
            /**
             * Format: date-time
             * @description The time at which the socket was opened.
             */
            since: string;
        };
        /** @description A page of connections. */
        ConnectionList: {
            /** @description The items of this page. */
            items: components["schemas"]["Connection"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /**
         * @description The id of a session of a user at the token issuer, the claim `session_id` of its tokens.
         * @example 5f0c0a52-2f5e-4a1c-8a39-3f0b5d8f6d11
         */
        AuthSessionId: string;
        /** @description Why a user is cut off, and which of the user's sessions. */
        CutOffRequest: {
            reason: components["schemas"]["Reason"];
            sessionId?: components["schemas"]["AuthSessionId"];
        };
        /** @description A user or a session whose earlier tokens are refused. */
        CutOff: {
            userId: components["schemas"]["UserId"];
            sessionId?: components["schemas"]["AuthSessionId"];
            /**
             * Format: date-time
             * @description The time of the cut-off. Tokens that were issued before are refused.
             */
            cutOffAt: string;
            cutOffBy: components["schemas"]["UserId"];
            cutOffByActor?: components["schemas"]["ActorDetails"];
            reason?: components["schemas"]["Reason"];
        };
        /** @description A page of cut-offs. */
        CutOffList: {
            /** @description The items of this page. */
            items: components["schemas"]["CutOff"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /**
         * @description `auto` lets a command run without approval, `review` requires approvals, and `deny` refuses it.
         * @enum {string}
         */
        PolicyEffect: "auto" | "review" | "deny";
        /**
         * @description The id of a passkey, in base64url. Its authenticator has chosen it.
         * @example 9gSyTZxQTPGNCUq1rvFQ9A
         */
        PasskeyId: string;
        /**
         * @description Always `public-key`.
         * @enum {string}
         */
        PasskeyType: "public-key";
        /**
         * @description Whether the authenticator is part of the device of the user. The gateway does not read it.
         * @enum {string}
         */
        PasskeyAttachment: "platform" | "cross-platform";
        /**
         * @description Results of extensions. The gateway requests none, and does not read them.
         * @example {}
         */
        PasskeyExtensions: {
            [key: string]: unknown;
        };
        /**
         * @description What the authenticator states, in base64url.
         * @example SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ
         */
        PasskeyAuthenticatorData: string;
        /**
         * @description What the browser states, in base64url: the challenge and the origin of the page.
         * @example eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0
         */
        PasskeyClientData: string;
        /**
         * @description The signature, in base64url: ASN.1 for ES256, and 64 bytes for EdDSA.
         * @example MEUCIQDx
         */
        PasskeySignature: string;
        /** @description The public key of a passkey as a JSON Web Key (RFC 7517), for P-256 (RFC 7518) or Ed25519 (RFC 8037). */
        PasskeyKey: {
            /**
             * @description The algorithm of its signatures.
             * @enum {string}
             */
            alg: "ES256" | "EdDSA";
            /**
             * @description The curve of the key.
             * @enum {string}
             */
            crv: "P-256" | "Ed25519";
            kid: components["schemas"]["PasskeyId"];
            /**
             * @description The type of the key.
             * @enum {string}
             */
            kty: "EC" | "OKP";
            /** @description The public key, or the x coordinate of its point, in base64url. */
            x: string;
            /** @description The y coordinate of the point of a P-256 key. */
            y?: string;
        };
        /** @description A passkey of a user. */
        Passkey: {
            id: components["schemas"]["PasskeyId"];
            /**
             * @description The name that the user has given.
             * @example Key ring
             */
            name: string;
            /**
             * Format: date-time
             * @description The time of the registration.
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description The time of the last approval that it has signed. Absent before the first.
             */
            lastUsedAt?: string;
            publicKey: components["schemas"]["PasskeyKey"];
        };
        /** @description A page of passkeys. */
        PasskeyList: {
            /** @description The items of this page. */
            items: components["schemas"]["Passkey"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description The options of a new passkey, `PublicKeyCredentialCreationOptionsJSON` of Web Authentication. */
        PasskeyOptions: {
            rp: components["schemas"]["PasskeyRelyingParty"];
            user: components["schemas"]["PasskeyUser"];
            /**
             * @description The challenge, in base64url.
             * @example hjgUMqvoZA2xUpF_cJVmjUvbNpAYkVB9KZWtmhsHk4M
             */
            challenge: string;
            /** @description The algorithms, in the order of preference. */
            pubKeyCredParams: components["schemas"]["PasskeyParameter"][];
            /**
             * @description The time until the challenge expires, in milliseconds.
             * @example 300000
             */
            timeout: number;
            /** @description The passkeys of the user, of which no authenticator should have a second one. */
            excludeCredentials: components["schemas"]["PasskeyDescriptor"][];
            authenticatorSelection: components["schemas"]["PasskeySelection"];
            /**
             * @description Always `none`.
             * @enum {string}
             */
            attestation: "none";
        };
        /** @description For whom the passkey signs. */
        PasskeyRelyingParty: {
            /**
             * @description The domain.
             * @example fleet.example.com
             */
            id: string;
            /**
             * @description A name, for display.
             * @example fleet.example.com
             */
            name: string;
        };
        /** @description The user, as authenticators show the user. */
        PasskeyUser: {
            /**
             * @description Identifies the user, in base64url.
             * @example ZTc1OGQyNDg4ODZlYjc2NA
             */
            id: string;
            /**
             * @description The e-mail address or the id of the user.
             * @example bob@example.com
             */
            name: string;
            /**
             * @description The name of the user, or the e-mail address or the id.
             * @example Bob Ray
             */
            displayName: string;
        };
        /** @description An algorithm of passkeys. */
        PasskeyParameter: {
            type: components["schemas"]["PasskeyType"];
            /**
             * @description The algorithm by its number (COSE): -7 for ES256, -8 for EdDSA.
             * @example -7
             */
            alg: number;
        };
        /** @description A passkey by its id. */
        PasskeyDescriptor: {
            type: components["schemas"]["PasskeyType"];
            id: components["schemas"]["PasskeyId"];
        };
        /** @description What the authenticator must do. */
        PasskeySelection: {
            /**
             * @description Always `preferred`.
             * @enum {string}
             */
            residentKey: "preferred";
            /**
             * @description Always `required`.
             * @enum {string}
             */
            userVerification: "required";
        };
        /** @description A new passkey, and its name. */
        RegisterPasskeyRequest: {
            /**
             * @description A name by which you recognize the passkey.
             * @example Key ring
             */
            name: string;
            credential: components["schemas"]["PasskeyRegistration"];
        };
        /** @description A new passkey, `RegistrationResponseJSON` of Web Authentication. */
        PasskeyRegistration: {
            id: components["schemas"]["PasskeyId"];
            rawId: components["schemas"]["PasskeyId"];
            type: components["schemas"]["PasskeyType"];
            response: components["schemas"]["PasskeyAttestation"];
            authenticatorAttachment?: components["schemas"]["PasskeyAttachment"];
            clientExtensionResults?: components["schemas"]["PasskeyExtensions"];
        };
        /** @description The response of the authenticator. The gateway reads the first two members. */
        PasskeyAttestation: {
            clientDataJSON: components["schemas"]["PasskeyClientData"];
            /**
             * @description What the authenticator states about the new key, in base64url.
             * @example o2NmbXRkbm9uZQ
             */
            attestationObject: string;
            authenticatorData?: components["schemas"]["PasskeyAuthenticatorData"];
            /**
             * @description The public key, in base64url.
             * @example MFkwEwYHKoZIzj0CAQ
             */
            publicKey?: string;
            /**
             * @description The algorithm of the key, by its number (COSE).
             * @example -7
             */
            publicKeyAlgorithm?: number;
            /** @description How the authenticator is reached. */
            transports?: string[];
        };
        /** @description A signature of a passkey, `AuthenticationResponseJSON` of Web Authentication. */
        PasskeyAssertion: {
            id: components["schemas"]["PasskeyId"];
            rawId: components["schemas"]["PasskeyId"];
            type: components["schemas"]["PasskeyType"];
            response: components["schemas"]["PasskeyAssertionResponse"];
            authenticatorAttachment?: components["schemas"]["PasskeyAttachment"];
            clientExtensionResults?: components["schemas"]["PasskeyExtensions"];
        };
        /** @description The response of the authenticator. */
        PasskeyAssertionResponse: {
            authenticatorData: components["schemas"]["PasskeyAuthenticatorData"];
            clientDataJSON: components["schemas"]["PasskeyClientData"];
            signature: components["schemas"]["PasskeySignature"];
            /**
             * @description The id of the user, in base64url. The gateway does not read it.
             * @example ZTc1OGQyNDg4ODZlYjc2NA
             */
            userHandle?: string;
        };
        /** @description A signature of a passkey, as receipts and rosters have it. */
        Assertion: {
            authenticatorData: components["schemas"]["PasskeyAuthenticatorData"];
            clientDataJSON: components["schemas"]["PasskeyClientData"];
            credentialId: components["schemas"]["PasskeyId"];
            signature: components["schemas"]["PasskeySignature"];
        };
        /**
         * @description The bytes of the document, in base64url.
         * @example eyJhcHByb3ZlcnMiOltdfQ
         */
        RosterDocument: string;
        /** @description A version of a roster. */
        RosterVersion: {
            document: components["schemas"]["RosterDocument"];
            /** @description The signatures of approvers of the version before, or of the first version. */
            signatures: components["schemas"]["Assertion"][];
        };
        /** @description The versions of a roster, the oldest first. */
        RosterChain: {
            /** @description The versions. */
            versions: components["schemas"]["RosterVersion"][];
        };
        /** @description A version of a roster, and signatures of approvers. */
        SetRosterRequest: {
            document: components["schemas"]["RosterDocument"];
            /** @description The signatures. */
            signatures: components["schemas"]["PasskeyAssertion"][];
        };
        /** @description What a device verifies receipts with. */
        DeviceTrust: {
            keys: components["schemas"]["SigningKeys"];
            roster: components["schemas"]["RosterChain"];
        };
        /**
         * @description The number of a version of the policy of the tenant. It is `0` if the tenant has none.
         * @example 7
         */
        PolicyVersionNumber: string;
        /**
         * @description A duration, such as `30m` or `4h`, from one second to 720 hours.
         * @example 4h
         */
        PolicyDuration: string;
        /**
         * @description A time of the week. One that ends before it begins lasts until the next day. A command is judged
         *     at its proposal, at its approval and at its claim, each time by the time of the gateway.
         */
        PolicyWindow: {
            /**
             * @description The days on which the window begins: names and ranges of names. Default: every day.
             * @example Mon-Fri
             */
            days?: string;
            from?: components["schemas"]["PolicyTime"];
            to?: components["schemas"]["PolicyTime"];
            /**
             * @description The name of a time zone in the IANA database, or `device` for that in the tag `timezone` of
             *     the device. A rule for a device without such a tag counts in both ways, and the stricter
             *     outcome applies. Default: UTC.
             * @example Europe/Berlin
             */
            zone?: string;
        };
        /**
         * @description A time of the day. Default of both: the whole day.
         * @example 22:00
         */
        PolicyTime: string;
        /**
         * @description A rule. It matches a command if all of its matchers do: `types`, `tags`, `proposer`,
         *     `proposerRoles`, `when` and `window`. One that is absent matches every command. The other fields
         *     are the conditions of an approval, which only a rule with the effect `review` may have.
         */
        PolicyRule: {
            /**
             * @description The name of the rule, which no other rule of the policy has. Each of its characters can be seen.
             * @example reboot in production
             */
            name: string;
            effect: components["schemas"]["PolicyEffect"];
            /** @description Patterns of types: a type, a prefix followed by `*`, or `*`. */
            types?: string[];
            tags?: components["schemas"]["Tags"];
            /**
             * @description The kind of the proposer. A `program` is an OAuth client that acts for its user.
             * @enum {string}
             */
            proposer?: "person" | "program";
            /** @description Roles of which the proposer must have one. A higher role does not count. */
            proposerRoles?: ("operator" | "approver" | "admin")[];
            /**
             * @description An expression in [CEL](https://cel.dev) that is a bool, over `parameters` and the `tags` of
             *     the device. If it fails, for example because the command lacks a parameter, the rule counts
             *     in both ways, and the stricter outcome applies.
             * @example has(parameters.delaySeconds) && parameters.delaySeconds > 600
             */
            when?: string;
            window?: components["schemas"]["PolicyWindow"];
            /**
             * @description The number of distinct users who must approve. Default: 1.
             * @example 2
             */
            approvals?: number;
            /** @description Roles that may approve. Each includes the higher ones. Default: approver. */
            roles?: ("approver" | "admin")[];
            assurance?: components["schemas"]["PolicyAssurance"];
            signInAge?: components["schemas"]["PolicyDuration"];
            within?: components["schemas"]["PolicyDuration"];
            /**
             * @description Whether each approval needs a reason.
             * @example true
             */
            reason?: boolean;
            /**
             * @description Whether an admin may approve alone in an emergency, with a reason.
             * @example false
             */
            breakGlass?: boolean;
            /**
             * @description Whether the admin who approves alone may be the proposer. Only with `breakGlass`.
             * @example false
             */
            breakGlassByProposer?: boolean;
        };
        /**
         * @description What each approval must have: `aal2` for a sign-in with a second factor or a passkey, or `passkey`
         *     for the signature of a passkey.
         * @enum {string}
         */
        PolicyAssurance: "aal2" | "passkey";
        /** @description A version of the policy. */
        PolicyVersion: {
            version: components["schemas"]["PolicyVersionNumber"];
            /** @description The rules, of which the first that matches applies. */
            rules: components["schemas"]["PolicyRule"][];
            changedBy?: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description The time of the change.
             */
            changedAt?: string;
            approvedBy?: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description The time at which another admin has approved the change.
             */
            approvedAt?: string;
            /** @description The rules that may require less of some command than the version before. */
            loosens?: string[];
        };
        /** @description The policy of the installation. */
        PolicyFloor: {
            /**
             * @description Identifies the rules.
             * @example 3f1f4cbd2a51
             */
            version: string;
            /**
             * @description The setting `FIELDGATE_POLICY`.
             * @example diagnostic.*=auto,*=review(approvals=2)
             */
            rules: string;
        };
        /** @description The policy of the tenant. */
        Policy: {
            version: components["schemas"]["PolicyVersionNumber"];
            /** @description The rules, of which the first that matches applies. */
            rules: components["schemas"]["PolicyRule"][];
            changedBy?: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description The time of the last change.
             */
            changedAt?: string;
            approvedBy?: components["schemas"]["UserId"];
            /**
             * Format: date-time
             * @description The time at which another admin has approved the change.
             */
            approvedAt?: string;
            pending?: components["schemas"]["PolicyVersion"];
            floor: components["schemas"]["PolicyFloor"];
        };
        /** @description A policy, and the version that it replaces. */
        SetPolicyRequest: {
            version?: components["schemas"]["PolicyVersionNumber"];
            /** @description The rules, of which the first that matches applies. */
            rules: components["schemas"]["PolicyRule"][];
        };
        /** @description A decision on the change that waits. */
        DecidePolicyRequest: {
            version: components["schemas"]["PolicyVersionNumber"];
            /**
             * @description Whether the change is approved.
             * @example true
             */
            approved: boolean;
        };
        /** @description A page of versions. */
        PolicyVersionList: {
            /** @description The items of this page. */
            items: components["schemas"]["PolicyVersion"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description A proposal that is not made. */
        EvaluatePolicyRequest: {
            deviceId: components["schemas"]["AnyId"];
            type: components["schemas"]["CommandType"];
            parameters?: components["schemas"]["CommandParameters"];
            proposer?: components["schemas"]["EvaluatedProposer"];
        };
        /** @description The user who would propose. Default of each field: that of the caller. */
        EvaluatedProposer: {
            /**
             * @description The kind of the proposer.
             * @enum {string}
             */
            kind?: "person" | "program";
            /**
             * @description The role of the proposer.
             * @enum {string}
             */
            role?: "operator" | "approver" | "admin";
        };
        /** @description What the policies of the installation and the tenant require of a command. */
        PolicyEvaluation: {
            effect: components["schemas"]["PolicyEffect"];
            /**
             * @description The rule that decides: its name, or the pattern of a rule of the floor. It is empty if no
             *     rule matches.
             * @example reboot in production
             */
            rule: string;
            /**
             * @description The version of the policy with the rule, or that of the floor.
             * @example 7
             */
            version: string;
            /**
             * @description The number of users who must approve. Only with the effect `review`.
             * @example 2
             */
            approvals?: number;
            /** @description Roles that may approve. Each includes the higher ones. Default: approver. */
            roles?: ("approver" | "admin")[];
            assurance?: components["schemas"]["PolicyAssurance"];
            signInAge?: components["schemas"]["PolicyDuration"];
            within?: components["schemas"]["PolicyDuration"];
            /**
             * @description Whether each approval needs a reason.
             * @example true
             */
            reason?: boolean;
            /**
             * @description Whether an admin may approve alone in an emergency.
             * @example false
             */
            breakGlass?: boolean;
            /**
             * @description Whether the admin who approves alone may be the proposer.
             * @example false
             */
            breakGlassByProposer?: boolean;
            /**
             * @description Which rules match and do not match, as sentences.
             * @example Rule "reboot in production" matches.
             */
            why: string;
        };
        /** @description The user of a token, as the gateway sees the user. */
        Me: {
            userId: components["schemas"]["UserId"];
            /**
             * @description The claim `email` of the token, or the claim that the operator has configured, for
             *     display. Absent if the token has none that can be displayed.
             */
            email?: string;
            /**
             * @description The name of the user, for display: the claim `name`, or `full_name` or `name` in
             *     `user_metadata`, or the claim that the operator has configured. Users may change it.
             */
            name?: string;
            kind: components["schemas"]["UserKind"];
            /**
             * @description The tenant, as in the log of the gateway: `c.` and the claim of the tenant, or `u.` and
             *     the user id for a tenant of one user.
             * @example c.acme
             */
            tenant: string;
            role: components["schemas"]["Role"];
            aal?: components["schemas"]["Assurance"];
            /**
             * Format: date-time
             * @description The time at which the token expires.
             */
            expiresAt: string;
        };
        /**
         * @description `program` for the token of an OAuth client that acts for its user (claim `client_id`),
         *     otherwise `person`. Values may be added.
         * @enum {string}
         */
        UserKind: "person" | "program";
        /**
         * @description A role. It includes the permissions of the roles before it. Values may be added.
         * @enum {string}
         */
        Role: "viewer" | "operator" | "approver" | "admin";
        /** @description The quotas of a tenant, and what it uses of them. */
        Usage: {
            limits: components["schemas"]["UsageLimits"];
            used: components["schemas"]["UsageAmounts"];
        };
        /** @description The quotas of a tenant. An absent one is not limited. */
        UsageLimits: {
            /**
             * Format: int64
             * @description The maximum number of devices that are not decommissioned.
             */
            devices?: number;
            /**
             * Format: int64
             * @description The maximum number of active sessions.
             */
            openSessions?: number;
            /**
             * Format: int64
             * @description The maximum number of queued commands.
             */
            readyCommands?: number;
            /**
             * Format: int64
             * @description The maximum number of commands pending approval.
             */
            pendingApprovals?: number;
            /**
             * Format: int64
             * @description The maximum number of bytes that the records count.
             */
            storedBytes?: number;
            /**
             * Format: int64
             * @description The maximum number of open sockets, on all instances.
             */
            sockets?: number;
            /**
             * Format: int64
             * @description The maximum number of claims that wait for a command, on the instance that responds.
             */
            waitingClaims?: number;
        };
        /** @description What a tenant uses of its quotas. */
        UsageAmounts: {
            /**
             * Format: int64
             * @description The number of devices that are not decommissioned.
             */
            devices: number;
            /**
             * Format: int64
             * @description The number of active sessions.
             */
            openSessions: number;
            /**
             * Format: int64
             * @description The number of queued commands.
             */
            readyCommands: number;
            /**
             * Format: int64
             * @description The number of commands pending approval.
             */
            pendingApprovals: number;
            /**
             * Format: int64
             * @description The number of bytes that the records count.
             */
            storedBytes: number;
            /**
             * Format: int64
             * @description The number of open sockets, on all instances.
             */
            sockets: number;
            /**
             * Format: int64
             * @description The number of claims that wait for a command, on the instance that responds.
             */
            waitingClaims: number;
        };
        /** @description The state of the instance that responds. */
        SystemInfo: {
            /** @description The released version; `dev` for a development build. */
            version: string;
            build: components["schemas"]["Build"];
            /** @description The name of the installation, such as `production` or `dev`. */
            environment: string;
            /**
             * Format: int64
             * @description The time since the process started, in seconds.
             */
            uptimeSeconds: number;
            services: components["schemas"]["Services"];
            connections: components["schemas"]["Connections"];
        };
        /** @description The build of the process. */
        Build: {
            /** @description The revision of the source; `unknown` if it was not recorded. */
            commit: string;
            /** @description The time of that revision; `unknown` if it was not recorded. */
            time: string;
            /** @description The version of Go. */
            go: string;
        };
        /** @description The services that the instance depends on. */
        Services: {
            redis: components["schemas"]["ServiceStatus"];
            supabase: components["schemas"]["ServiceStatus"];
        };
        /** @description The state of a service, as this instance sees it. */
        ServiceStatus: {
            /** @description Whether the service works. */
            ok: boolean;
            /**
             * Format: double
             * @description The duration of its last response, in milliseconds.
             */
            latencyMs?: number;
            /** @description The problem in general words, without addresses. */
            error?: string;
            /** @description The version of the service, if it reports one. */
            version?: string;
            /** @description The deployment mode, such as `single`, `sentinel`, `cluster` or `embedded`. */
            mode?: string;
        };
        /** @description The open sockets of this instance. */
        Connections: {
            /** @description The number of device sockets. */
            devices: number;
            /** @description The number of customer sockets. */
            customers: number;
        };
    };
    responses: {
        /** @description The socket is open. The first of the frames of `asyncapi.yaml` is `welcome`. */
        SocketOpened: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "Sec-WebSocket-Protocol": components["headers"]["Sec-WebSocket-Protocol"];
                [name: string]: unknown;
            };
            content?: never;
        };
        /** @description The response is the one whose entity tag the request had in `If-None-Match`. It has no body. */
        NotModified: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content?: never;
        };
        /** @description The request does not follow this document. `errors` names each invalid part. */
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
        /** @description There is no valid token, or its user was cut off. */
        UserUnauthorized: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The code is wrong, used, expired or another device's. The response is the same in each case. */
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
        /** @description The caller's role is below the least role of the operation, or the caller has no tenant. */
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
        /** @description The claim token was never issued for this command. */
        InvalidClaimToken: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role is not sufficient, or the policy denies commands of this type. */
        CommandDenied: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role or the sign-in is not sufficient, or the caller has no tenant. */
        CutOffForbidden: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role or the sign-in is not sufficient, or the caller has no tenant. */
        PolicyForbidden: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role or the sign-in is not sufficient, or the caller has made the change. */
        PolicyDecisionForbidden: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role or the sign-in is not sufficient, the caller proposed the command, or the policy denies commands of this type by now. */
        DecisionForbidden: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role or the sign-in is not sufficient to withdraw an approval. */
        WithdrawalForbidden: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The origin of the web page may not open this socket. */
        OriginNotAllowed: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role is not sufficient, or the origin of the web page may not open this socket. */
        SocketForbidden: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such device for the caller. */
        DeviceNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such session for the caller. */
        SessionNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such command for the caller. */
        CommandNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such session or command for the caller, or the command has no receipt. */
        ReceiptNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such session for the caller, or no such command in the session. */
        SessionOrCommandNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such connection for the caller, or it has already ended. */
        ConnectionNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The role or the sign-in is not sufficient, or the caller has no tenant. */
        KeyChangeForbidden: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The operator has not set up passkeys. */
        PasskeysNotSetUp: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The caller has no such passkey. */
        PasskeyNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Another version of the roster is the next one. */
        RosterConflict: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Another version of the policy applies or waits than the one that the request names. */
        PolicyConflict: {
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
        /** @description The session cannot be opened in the current state of the device, or the `Idempotency-Key` was used with another body. */
        SessionNotOpened: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The command cannot be proposed in the current state of the session or the device, or the `Idempotency-Key` was used with another body. */
        SessionClosed: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The command has ended. `command` contains its state. */
        CommandFinished: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The command cannot be retried in its current state or that of its session or device, or the `Idempotency-Key` was used with another body. */
        RetryRefused: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The decision was not recorded. */
        DecisionRefused: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such session for the caller, no such command in the session, or no approval of it by the caller. */
        VoteNotFound: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The vote was not withdrawn. `command` contains the state of the command. */
        WithdrawalRefused: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The claim is no longer valid. `command` contains the state of the command. */
        LeaseLost: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The result was not recorded. `command` contains the state of the command. */
        ResultRefused: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body arrived too slowly. The connection is closed. */
        RequestTimeout: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is larger than this operation accepts. */
        BodyTooLarge: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is not declared as JSON, or has a content coding other than gzip. */
        UnsupportedMediaType: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "Accept-Encoding": components["headers"]["Accept-Encoding"];
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
        /** @description Too many requests, or too many queued commands of the device. */
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
        /** @description Too many requests, or a quota of the tenant is reached. */
        QuotaLimited: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description An internal error of the gateway. Repeat after a pause, and report the `requestId` if the error persists. */
        InternalError: {
            headers: {
                "X-Request-ID": components["headers"]["X-Request-ID"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The gateway is temporarily unavailable. Credentials stay valid; repeat after `Retry-After`. */
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
        /** @description The id of the passkey. */
        PasskeyInPath: components["schemas"]["PasskeyId"];
        /** @description The position in the output from which to read, `nextSince` of an earlier response. Default 0. */
        OutputPosition: number;
        /** @description The id of the connection. */
        ConnectionInPath: components["schemas"]["AnyId"];
        /**
         * @description The id of the user, the `sub` of its tokens.
         * @example 9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90
         */
        UserInPath: string;
        /**
         * @description A key of the caller's choice for this request, such as a UUID. It makes a repeated request
         *     safe. See "Repeating requests".
         */
        IdempotencyKey: string;
        /** @description The maximum number of items in a page. */
        Limit: number;
        /** @description The `nextCursor` of the previous page. */
        Cursor: string;
    };
    requestBodies: never;
    headers: {
        /** @description The id of this request, as in the logs of the gateway and in the events that it caused. */
        "X-Request-ID": components["schemas"]["RequestId"];
        /**
         * @description The path of the created resource.
         * @example /api/v1/customer/devices/dev_7k01jd3q8zv6m4y2x9n5t0c8hbra
         */
        Location: string;
        /** @description The content coding that a request body may have (RFC 9110, section 12.5.3). A gateway that does not send this header accepts uncompressed bodies only. */
        "Accept-Encoding": "gzip";
        /**
         * @description The authentication scheme (RFC 9110, section 11.6.1).
         * @example Bearer realm="fieldgate"
         */
        "WWW-Authenticate": string;
        /** @description The subprotocol of the socket, if the client offered one. */
        "Sec-WebSocket-Protocol": "fieldgate.v1";
        /**
         * @description The minimum number of seconds to wait before the next attempt.
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
            /** @description The instance accepts traffic. */
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
            /** @description The instance accepts no traffic. The report contains the reason. */
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
                     *           "error": "the store does not respond"
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
    getSigningKeys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The keys. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "keys": [
                     *         {
                     *           "kty": "OKP",
                     *           "crv": "Ed25519",
                     *           "alg": "EdDSA",
                     *           "use": "sig",
                     *           "kid": "--6IM5l0OosLj9yWskISYhUA3n_3CURQkmrYMSha_ck",
                     *           "x": "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["SigningKeys"];
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
    getSocketContractJSON: {
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
                    /**
                     * @example {
                     *       "asyncapi": "3.0.0",
                     *       "info": {
                     *         "title": "Fieldgate sockets",
                     *         "version": "1.0.0"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["ContractObject"];
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
                 * @description A key of the caller's choice for this request, such as a UUID. It makes a repeated request
                 *     safe. See "Repeating requests".
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
            408: components["responses"]["RequestTimeout"];
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
                    "Accept-Encoding": components["headers"]["Accept-Encoding"];
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
            408: components["responses"]["RequestTimeout"];
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
            /** @description The login has ended. */
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
                 *       "status": "degraded",
                 *       "reason": "the journal cannot be written: no space left on device",
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
            /** @description The heartbeat was recorded. */
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
            408: components["responses"]["RequestTimeout"];
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
                 * @description A key of the caller's choice for this request, such as a UUID. It makes a repeated request
                 *     safe. See "Repeating requests".
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
            /** @description The claimed commands, or an empty list. */
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
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["IdempotencyKeyReused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaLimited"];
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
            /** @description The current state of the command. */
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
                     *       "deliverBy": "2025-11-22T21:14:50.000Z",
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
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["LeaseLost"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    reportProgress: {
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
                 *       "seq": 3,
                 *       "percent": 42.5,
                 *       "message": "writing block 17 of 40",
                 *       "output": "block 17 written\n"
                 *     }
                 */
                "application/json": components["schemas"]["ProgressRequest"];
            };
        };
        responses: {
            /** @description The progress is recorded, or was recorded before. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "commandId": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm",
                     *       "seq": 3,
                     *       "leaseRemainingMs": 48210,
                     *       "cancelRequested": false
                     *     }
                     */
                    "application/json": components["schemas"]["ProgressReply"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InvalidClaimToken"];
            404: components["responses"]["CommandNotFound"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["LeaseLost"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaLimited"];
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
            /** @description The command was released. */
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
            408: components["responses"]["RequestTimeout"];
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
            /** @description The result is recorded. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    "Accept-Encoding": components["headers"]["Accept-Encoding"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecordedResult"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["InvalidClaimToken"];
            404: components["responses"]["CommandNotFound"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["ResultRefused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getDeviceTrust: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The keys and the roster. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "keys": {
                     *         "keys": [
                     *           {
                     *             "kty": "OKP",
                     *             "crv": "Ed25519",
                     *             "alg": "EdDSA",
                     *             "use": "sig",
                     *             "kid": "--6IM5l0OosLj9yWskISYhUA3n_3CURQkmrYMSha_ck",
                     *             "x": "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"
                     *           }
                     *         ]
                     *       },
                     *       "roster": {
                     *         "versions": [
                     *           {
                     *             "document": "eyJhcHByb3ZlcnMiOltdfQ",
                     *             "signatures": [
                     *               {
                     *                 "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ",
                     *                 "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
                     *                 "credentialId": "9gSyTZxQTPGNCUq1rvFQ9A",
                     *                 "signature": "MEUCIQDx"
                     *               }
                     *             ]
                     *           }
                     *         ]
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["DeviceTrust"];
                };
            };
            401: components["responses"]["Unauthorized"];
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
            429: components["responses"]["QuotaLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listDevices: {
        parameters: {
            query?: {
                /** @description Only devices with this status. */
                status?: components["schemas"]["DeviceStatus"];
                /** @description Only devices with this tag, as `key:value`, such as `site:leipzig`, or as `key` for any value. */
                tag?: string;
                /**
                 * @description Only devices of which a text contains this one, ignoring case. The texts are the name, `externalId`, the
                 *     location, the model, the firmware, the id, the values of the metadata, and each tag as `key:value`.
                 */
                q?: string;
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
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
                     *       "nextCursor": "MDFqZDNxOHp2Ng",
                     *       "total": 1204
                     *     }
                     */
                    "application/json": components["schemas"]["DeviceList"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
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
                 * @description A key of the caller's choice for this request, such as a UUID. It makes a repeated request
                 *     safe. See "Repeating requests".
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ProvisionDeviceRequest"];
            };
        };
        responses: {
            /** @description The device is provisioned and can register. */
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
                     *       "instructions": "Give the code 7KQ2-M4XN-V9PT to the device before 2025-11-23 20:10 UTC. The device sends it once to POST /api/v1/device/register and gets its secret."
                     *     }
                     */
                    "application/json": components["schemas"]["ProvisionedDevice"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["ExternalIdTaken"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaLimited"];
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
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
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
            401: components["responses"]["UserUnauthorized"];
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
            /** @description The updated device. */
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
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["DeviceDecommissioned"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    issueActivationCode: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A key of the caller's choice for this request, such as a UUID. It makes a repeated request
                 *     safe. See "Repeating requests".
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
            /** @description The new code. It is returned only once. */
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
            401: components["responses"]["UserUnauthorized"];
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
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            408: components["responses"]["RequestTimeout"];
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
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            408: components["responses"]["RequestTimeout"];
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
            /** @description All logins have ended. */
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
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["DeviceDecommissioned"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    resolveDeviceIdentity: {
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
                 *       "keep": "newest",
                 *       "reason": "the old disk is out of the pump station"
                 *     }
                 */
                "application/json": components["schemas"]["ResolveIdentityRequest"];
            };
        };
        responses: {
            /** @description The device has no identity conflict. */
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
                     *       "model": "PX-400"
                     *     }
                     */
                    "application/json": components["schemas"]["Device"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            408: components["responses"]["RequestTimeout"];
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
                /** @description Only sessions of this device. */
                deviceId?: components["schemas"]["AnyId"];
                /** @description Only sessions with this status. */
                status?: components["schemas"]["SessionStatus"];
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
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
                     *           "createdByActor": {
                     *             "kind": "user",
                     *             "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *             "name": "Alice Lee",
                     *             "email": "alice@example.com"
                     *           },
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
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
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
                 * @description A key of the caller's choice for this request, such as a UUID. It makes a repeated request
                 *     safe. See "Repeating requests".
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
                     *       "createdByActor": {
                     *         "kind": "user",
                     *         "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "name": "Alice Lee",
                     *         "email": "alice@example.com"
                     *       },
                     *       "createdAt": "2025-11-22T20:14:50.000Z",
                     *       "expiresAt": "2025-11-22T21:14:50.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["SessionNotOpened"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaLimited"];
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
                     *       "createdByActor": {
                     *         "kind": "user",
                     *         "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "name": "Alice Lee",
                     *         "email": "alice@example.com"
                     *       },
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
                     *           "proposedByActor": {
                     *             "kind": "user",
                     *             "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *             "name": "Alice Lee",
                     *             "email": "alice@example.com"
                     *           },
                     *           "reason": "Telemetry stopped after the update",
                     *           "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *           "createdAt": "2025-11-22T20:15:30.000Z",
                     *           "approveBy": "2025-11-22T21:14:50.000Z",
                     *           "deliverBy": "2025-11-22T21:14:50.000Z",
                     *           "cancelRequested": false,
                     *           "late": false
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Session"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
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
                     *       "createdByActor": {
                     *         "kind": "user",
                     *         "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "name": "Alice Lee",
                     *         "email": "alice@example.com"
                     *       },
                     *       "createdAt": "2025-11-22T20:14:50.000Z",
                     *       "expiresAt": "2025-11-22T21:14:50.000Z",
                     *       "closedAt": "2025-11-22T20:20:00.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Session"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionNotFound"];
            408: components["responses"]["RequestTimeout"];
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
                /** @description Which commands come first, the `oldest`, which is the default, or the `newest`. */
                order?: components["schemas"]["CommandOrder"];
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
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
                     *           "proposedByActor": {
                     *             "kind": "user",
                     *             "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *             "name": "Alice Lee",
                     *             "email": "alice@example.com"
                     *           },
                     *           "reason": "Telemetry stopped after the update",
                     *           "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *           "createdAt": "2025-11-22T20:15:30.000Z",
                     *           "approveBy": "2025-11-22T21:14:50.000Z",
                     *           "deliverBy": "2025-11-22T21:14:50.000Z",
                     *           "cancelRequested": false,
                     *           "late": false,
                     *           "claimedAt": "2025-11-22T20:16:10.004Z",
                     *           "finishedAt": "2025-11-22T20:16:20.110Z",
                     *           "approval": {
                     *             "decision": "approved",
                     *             "decidedBy": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *             "decidedByActor": {
                     *               "kind": "user",
                     *               "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *               "name": "Bob Ray",
                     *               "email": "bob@example.com"
                     *             },
                     *             "decidedAt": "2025-11-22T20:16:02.551Z",
                     *             "reason": "agreed with the site"
                     *           },
                     *           "resultOmitted": true
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["CommandList"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
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
                 * @description A key of the caller's choice for this request, such as a UUID. It makes a repeated request
                 *     safe. See "Repeating requests".
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
            /** @description The command is proposed. Its `status` shows whether it requires approval. */
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
                     *       "proposedByActor": {
                     *         "kind": "user",
                     *         "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "name": "Alice Lee",
                     *         "email": "alice@example.com"
                     *       },
                     *       "reason": "Telemetry stopped after the update",
                     *       "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *       "createdAt": "2025-11-22T20:15:30.000Z",
                     *       "approveBy": "2025-11-22T21:14:50.000Z",
                     *       "deliverBy": "2025-11-22T21:14:50.000Z",
                     *       "cancelRequested": false,
                     *       "late": false
                     *     }
                     */
                    "application/json": components["schemas"]["Command"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["CommandDenied"];
            404: components["responses"]["SessionNotFound"];
            408: components["responses"]["RequestTimeout"];
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
                     *       "proposedByActor": {
                     *         "kind": "user",
                     *         "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "name": "Alice Lee",
                     *         "email": "alice@example.com"
                     *       },
                     *       "reason": "Telemetry stopped after the update",
                     *       "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *       "createdAt": "2025-11-22T20:15:30.000Z",
                     *       "approveBy": "2025-11-22T21:14:50.000Z",
                     *       "deliverBy": "2025-11-22T21:14:50.000Z",
                     *       "cancelRequested": false,
                     *       "late": false,
                     *       "claimedAt": "2025-11-22T20:16:10.004Z",
                     *       "finishedAt": "2025-11-22T20:16:20.110Z",
                     *       "approval": {
                     *         "decision": "approved",
                     *         "decidedBy": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *         "decidedByActor": {
                     *           "kind": "user",
                     *           "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *           "name": "Bob Ray",
                     *           "email": "bob@example.com"
                     *         },
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
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionOrCommandNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getReceipt: {
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
            /** @description The receipt. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /** @example eyJhbGciOiJFZERTQSIsImtpZCI6Ii0tNklNNWwwT29zTGo5eVdza0lTWWhVQTNuXzNDVVJRa21yWU1TaGFfY2siLCJ0eXAiOiJmaWVsZGdhdGUtcmVjZWlwdCJ9.eyJleHBpcmVzQXQiOiIyMDI1LTExLTIzVDIwOjE1OjMwLjAwMFoiLCJpc3N1ZWRBdCI6IjIwMjUtMTEtMjJUMjA6MTY6MTAuMDA0WiIsInN0YXRlbWVudCI6ImV5SmpiMjF0WVc1a0lqb2lZMjFrWHpkck1ERnFaRE54WXpsaE5XZzNkakpxT0hjMFpUWmlNSFF4ZUcwaUxDSmtaV3hwZG1WeVFua2lPaUl5TURJMUxURXhMVEl6VkRJd09qRTFPak13TGpBd01Gb2lMQ0prWlhacFkyVWlPbnNpYVdRaU9pSmtaWFpmTjJzd01XcGtNM0U0ZW5ZMmJUUjVNbmc1YmpWME1HTTRhR0p5WVNJc0ltNWhiV1VpT2lKUWRXMXdJSE4wWVhScGIyNGdNVElpTENKelpYSnBZV3hPZFcxaVpYSWlPaUpRV0RRdE1EQXhPRGN6SW4wc0ltMWhlRUYwZEdWdGNIUnpJam94TENKd1lYSmhiV1YwWlhKeklqcDdJbk5sY25acFkyVWlPaUowWld4bGJXVjBjbmtpTENKbmNtRmpaVk5sWTI5dVpITWlPakV3ZlN3aWNHOXNhV041SWpwN0ltVm1abVZqZENJNkluSmxkbWxsZHlJc0luSjFiR1VpT2lJcUlpd2lkbVZ5YzJsdmJpSTZJakpqTWpaaU5EWmlOamhtWmlKOUxDSndjbWx2Y21sMGVTSTZOU3dpY0hKdmNHOXpaWElpT25zaWFXUWlPaUk1WXpGbU1tWXdaUzAxTkdNMUxUUmlNV0V0T0dFMU15MHdaRGRoTW1VMFlqWmpPVEFpTENKcmFXNWtJam9pY0dWeWMyOXVJbjBzSW5KbFlYTnZiaUk2SWxSbGJHVnRaWFJ5ZVNCemRHOXdjR1ZrSUdGbWRHVnlJSFJvWlNCMWNHUmhkR1VpTENKelpYTnphVzl1SWpvaWMyVnpYemRyTURGcVpETnhZalYzT0dzeWNqWm1NR1EwY3pkbk1YQXpaVzRpTENKMFpXNWhiblFpT2lKaFkyMWxJaXdpZEhsd1pTSTZJbk5sY25acFkyVXVjbVZ6ZEdGeWRDSXNJblpsY25OcGIyNGlPakY5IiwidmVyc2lvbiI6MSwidm90ZXMiOlt7ImF0IjoiMjAyNS0xMS0yMlQyMDoxNjowMi41NTFaIiwiZGVjaXNpb24iOiJhcHByb3ZlZCIsInVzZXIiOiI1YjBjNmE1Mi02ZDBmLTRhOGUtOWEzYi0yZjFmNmYxZjdjMTEifV19.ct_DoIam5dFwbPboPnlANZK2_0uJo3_kkO1Y7msnKEurVeJdCJwGAMf4L-bjf0qJ9-fr48MqWOF8kHf_OzwpBg */
                    "application/jose": components["schemas"]["SignedReceipt"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["ReceiptNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getCommandOutput: {
        parameters: {
            query?: {
                /** @description The position in the output from which to read, `nextSince` of an earlier response. Default 0. */
                since?: components["parameters"]["OutputPosition"];
            };
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
            /** @description The progress and the output. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "output": "block 17 written\n",
                     *       "from": 272,
                     *       "nextSince": 289,
                     *       "complete": false,
                     *       "percent": 42.5,
                     *       "message": "writing block 17 of 40",
                     *       "seq": 3,
                     *       "missed": 0,
                     *       "reportedAt": "2025-11-22T20:16:13.120Z"
                     *     }
                     */
                    "application/json": components["schemas"]["CommandOutput"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
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
            /** @description The current state of the command. */
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
                     *       "proposedByActor": {
                     *         "kind": "user",
                     *         "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "name": "Alice Lee",
                     *         "email": "alice@example.com"
                     *       },
                     *       "reason": "Telemetry stopped after the update",
                     *       "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *       "createdAt": "2025-11-22T20:15:30.000Z",
                     *       "approveBy": "2025-11-22T21:14:50.000Z",
                     *       "deliverBy": "2025-11-22T21:14:50.000Z",
                     *       "cancelRequested": false,
                     *       "late": false,
                     *       "finishedAt": "2025-11-22T20:15:58.020Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Command"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionOrCommandNotFound"];
            408: components["responses"]["RequestTimeout"];
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
                 * @description A key of the caller's choice for this request, such as a UUID. It makes a repeated request
                 *     safe. See "Repeating requests".
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
                     *       "proposedByActor": {
                     *         "kind": "user",
                     *         "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "name": "Alice Lee",
                     *         "email": "alice@example.com"
                     *       },
                     *       "reason": "Telemetry stopped after the update",
                     *       "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *       "createdAt": "2025-11-22T20:15:30.000Z",
                     *       "approveBy": "2025-11-22T21:14:50.000Z",
                     *       "deliverBy": "2025-11-22T21:14:50.000Z",
                     *       "cancelRequested": false,
                     *       "late": false,
                     *       "retryOf": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm"
                     *     }
                     */
                    "application/json": components["schemas"]["Command"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["CommandDenied"];
            404: components["responses"]["SessionOrCommandNotFound"];
            408: components["responses"]["RequestTimeout"];
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
                     *         "proposedByActor": {
                     *           "kind": "user",
                     *           "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "name": "Alice Lee",
                     *           "email": "alice@example.com"
                     *         },
                     *         "reason": "Telemetry stopped after the update",
                     *         "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *         "createdAt": "2025-11-22T20:15:30.000Z",
                     *         "approveBy": "2025-11-22T21:14:50.000Z",
                     *         "deliverBy": "2025-11-22T21:14:50.000Z",
                     *         "cancelRequested": false,
                     *         "late": false,
                     *         "policy": {
                     *           "version": "1f2a3b4c5d6e",
                     *           "rule": "remediation.*"
                     *         },
                     *         "approval": {
                     *           "decision": "approved",
                     *           "decidedBy": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *           "decidedByActor": {
                     *             "kind": "user",
                     *             "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *             "name": "Bob Ray",
                     *             "email": "bob@example.com"
                     *           },
                     *           "decidedAt": "2025-11-22T20:16:02.551Z",
                     *           "reason": "agreed with the site",
                     *           "required": 1,
                     *           "votes": [
                     *             {
                     *               "user": {
                     *                 "kind": "user",
                     *                 "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *                 "name": "Bob Ray",
                     *                 "email": "bob@example.com"
                     *               },
                     *               "decision": "approved",
                     *               "at": "2025-11-22T20:16:02.551Z",
                     *               "reason": "agreed with the site"
                     *             }
                     *           ]
                     *         }
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["DecidedCommand"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["DecisionForbidden"];
            404: components["responses"]["SessionOrCommandNotFound"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["DecisionRefused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    withdrawVote: {
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
                 *       "reason": "the site called back"
                 *     }
                 */
                "application/json": components["schemas"]["ReasonRequest"];
            };
        };
        responses: {
            /** @description The command without the vote. */
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
                     *         "status": "pending_approval",
                     *         "attempt": 0,
                     *         "maxAttempts": 1,
                     *         "digest": "6b1f0c2f5a0d4e7f9c3b8a1d2e6f7081930a4b5c6d7e8f90a1b2c3d4e5f60718",
                     *         "proposedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "proposedByActor": {
                     *           "kind": "user",
                     *           "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "name": "Alice Lee",
                     *           "email": "alice@example.com"
                     *         },
                     *         "reason": "Telemetry stopped after the update",
                     *         "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *         "createdAt": "2025-11-22T20:15:30.000Z",
                     *         "approveBy": "2025-11-22T21:14:50.000Z",
                     *         "deliverBy": "2025-11-22T21:14:50.000Z",
                     *         "cancelRequested": false,
                     *         "late": false,
                     *         "policy": {
                     *           "version": "1f2a3b4c5d6e",
                     *           "rule": "remediation.*"
                     *         },
                     *         "approval": {
                     *           "required": 2,
                     *           "votes": [
                     *             {
                     *               "user": {
                     *                 "kind": "user",
                     *                 "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *                 "name": "Bob Ray",
                     *                 "email": "bob@example.com"
                     *               },
                     *               "decision": "approved",
                     *               "at": "2025-11-22T20:16:02.551Z",
                     *               "reason": "agreed with the site",
                     *               "aal": "aal2"
                     *             }
                     *           ]
                     *         }
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["DecidedCommand"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["WithdrawalForbidden"];
            404: components["responses"]["VoteNotFound"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["WithdrawalRefused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    breakGlass: {
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
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "reason": "the line stands still and no other approver is awake"
                 *     }
                 */
                "application/json": components["schemas"]["BreakGlassRequest"];
            };
        };
        responses: {
            /** @description The command, which is queued. */
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
                     *         "proposedByActor": {
                     *           "kind": "user",
                     *           "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "name": "Alice Lee",
                     *           "email": "alice@example.com"
                     *         },
                     *         "reason": "Telemetry stopped after the update",
                     *         "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *         "createdAt": "2025-11-22T20:15:30.000Z",
                     *         "approveBy": "2025-11-22T21:14:50.000Z",
                     *         "deliverBy": "2025-11-22T21:14:50.000Z",
                     *         "cancelRequested": false,
                     *         "late": false,
                     *         "policy": {
                     *           "version": "1f2a3b4c5d6e",
                     *           "rule": "remediation.*"
                     *         },
                     *         "approval": {
                     *           "decision": "approved",
                     *           "decidedBy": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *           "decidedByActor": {
                     *             "kind": "user",
                     *             "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *             "name": "Bob Ray",
                     *             "email": "bob@example.com"
                     *           },
                     *           "decidedAt": "2025-11-22T20:16:02.551Z",
                     *           "reason": "agreed with the site",
                     *           "required": 2,
                     *           "votes": [
                     *             {
                     *               "user": {
                     *                 "kind": "user",
                     *                 "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *                 "name": "Bob Ray",
                     *                 "email": "bob@example.com"
                     *               },
                     *               "decision": "approved",
                     *               "at": "2025-11-22T20:16:02.551Z",
                     *               "reason": "agreed with the site"
                     *             }
                     *           ]
                     *         },
                     *         "breakGlass": {
                     *           "by": {
                     *             "kind": "user",
                     *             "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *             "name": "Bob Ray",
                     *             "email": "bob@example.com"
                     *           },
                     *           "at": "2025-11-22T20:16:02.551Z",
                     *           "reason": "agreed with the site"
                     *         }
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["DecidedCommand"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["DecisionForbidden"];
            404: components["responses"]["SessionOrCommandNotFound"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["DecisionRefused"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    reviewBreakGlass: {
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
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "comment": "the line stood still, and nobody else was awake"
                 *     }
                 */
                "application/json": components["schemas"]["BreakGlassReviewRequest"];
            };
        };
        responses: {
            /** @description The command with the review. */
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
                     *         "proposedByActor": {
                     *           "kind": "user",
                     *           "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "name": "Alice Lee",
                     *           "email": "alice@example.com"
                     *         },
                     *         "reason": "Telemetry stopped after the update",
                     *         "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *         "createdAt": "2025-11-22T20:15:30.000Z",
                     *         "approveBy": "2025-11-22T21:14:50.000Z",
                     *         "deliverBy": "2025-11-22T21:14:50.000Z",
                     *         "cancelRequested": false,
                     *         "late": false,
                     *         "policy": {
                     *           "version": "1f2a3b4c5d6e",
                     *           "rule": "remediation.*"
                     *         },
                     *         "approval": {
                     *           "decision": "approved",
                     *           "decidedBy": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *           "decidedByActor": {
                     *             "kind": "user",
                     *             "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *             "name": "Bob Ray",
                     *             "email": "bob@example.com"
                     *           },
                     *           "decidedAt": "2025-11-22T20:16:02.551Z",
                     *           "reason": "agreed with the site",
                     *           "required": 2,
                     *           "votes": [
                     *             {
                     *               "user": {
                     *                 "kind": "user",
                     *                 "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *                 "name": "Bob Ray",
                     *                 "email": "bob@example.com"
                     *               },
                     *               "decision": "approved",
                     *               "at": "2025-11-22T20:16:02.551Z",
                     *               "reason": "agreed with the site"
                     *             }
                     *           ]
                     *         },
                     *         "breakGlass": {
                     *           "by": {
                     *             "kind": "user",
                     *             "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *             "name": "Bob Ray",
                     *             "email": "bob@example.com"
                     *           },
                     *           "at": "2025-11-22T20:16:02.551Z",
                     *           "reason": "agreed with the site",
                     *           "reviewedBy": {
                     *             "kind": "user",
                     *             "id": "0e7d4b0a-96d5-4d0c-b0a5-3c8f2d6f9b21",
                     *             "name": "Carol Diaz",
                     *             "email": "carol@example.com"
                     *           },
                     *           "reviewedAt": "2025-11-23T09:00:00.000Z",
                     *           "comment": "the line stood still, and nobody else was awake"
                     *         }
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["DecidedCommand"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["DecisionForbidden"];
            404: components["responses"]["SessionOrCommandNotFound"];
            408: components["responses"]["RequestTimeout"];
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
                /** @description Only events at or after this time. */
                since?: string;
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
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
                     *           "actorDetails": {
                     *             "kind": "user",
                     *             "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *             "name": "Alice Lee",
                     *             "email": "alice@example.com"
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
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["SessionNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listTenantCommands: {
        parameters: {
            query?: {
                /**
                 * @description Only commands with this status. Repeat it for several: `status=failed&status=timed_out`,
                 *     or separate them with commas.
                 */
                status?: components["schemas"]["CommandStatus"][];
                /**
                 * @description Only commands of this type, such as `service.restart`, or of all types that begin with
                 *     the text before a final `*`, such as `diagnostic.*`.
                 */
                type?: string;
                /** @description Only commands for this device. */
                deviceId?: components["schemas"]["AnyId"];
                /** @description Only commands for devices that have this tag now, as `key:value`, or as `key` for any value. */
                tag?: string;
                /** @description Only commands of this session. */
                sessionId?: components["schemas"]["AnyId"];
                /** @description Only commands that the user with this id has proposed. */
                proposedBy?: string;
                /** @description Only commands that were proposed at or after this time. */
                since?: string;
                /** @description Only commands that were proposed before this time. */
                until?: string;
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
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
                     *           "proposedByActor": {
                     *             "kind": "user",
                     *             "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *             "name": "Alice Lee",
                     *             "email": "alice@example.com"
                     *           },
                     *           "reason": "Telemetry stopped after the update",
                     *           "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *           "createdAt": "2025-11-22T20:15:30.000Z",
                     *           "approveBy": "2025-11-22T21:14:50.000Z",
                     *           "deliverBy": "2025-11-22T21:14:50.000Z",
                     *           "cancelRequested": false,
                     *           "late": false,
                     *           "claimedAt": "2025-11-22T20:16:10.004Z",
                     *           "finishedAt": "2025-11-22T20:16:20.110Z",
                     *           "approval": {
                     *             "decision": "approved",
                     *             "decidedBy": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *             "decidedByActor": {
                     *               "kind": "user",
                     *               "id": "5b0c6a52-6d0f-4a8e-9a3b-2f1f6f1f7c11",
                     *               "name": "Bob Ray",
                     *               "email": "bob@example.com"
                     *             },
                     *             "decidedAt": "2025-11-22T20:16:02.551Z",
                     *             "reason": "agreed with the site"
                     *           },
                     *           "resultOmitted": true
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["CommandList"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listApprovals: {
        parameters: {
            query?: {
                /** @description Which commands to list. */
                status?: components["schemas"]["ApprovalStatus"];
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of commands that are pending approval. */
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
                     *           "proposedByActor": {
                     *             "kind": "user",
                     *             "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *             "name": "Alice Lee",
                     *             "email": "alice@example.com"
                     *           },
                     *           "reason": "Telemetry stopped after the update",
                     *           "requestId": "01JD3QC9A5H7V2J8W4E6B0T1XM",
                     *           "createdAt": "2025-11-22T20:15:30.000Z",
                     *           "approveBy": "2025-11-22T21:14:50.000Z",
                     *           "deliverBy": "2025-11-22T21:14:50.000Z",
                     *           "cancelRequested": false,
                     *           "late": false,
                     *           "mayDecide": false,
                     *           "whyNot": "You proposed this command: another user must approve it."
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["CommandList"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
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
            /** @description The ticket. Use it immediately. */
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
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            408: components["responses"]["RequestTimeout"];
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
                 * @description A ticket of `POST /api/v1/customer/ws-tickets`, instead of a token. A ticket that is wrong,
                 *     used, expired or of another origin returns 401.
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
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["SocketForbidden"];
            429: components["responses"]["QuotaLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listConnections: {
        parameters: {
            query?: {
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
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
                     *           "openedByActor": {
                     *             "kind": "device",
                     *             "id": "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra"
                     *           },
                     *           "agent": "fieldgate-agent/1.4.0",
                     *           "since": "2025-11-22T20:12:44.310Z"
                     *         },
                     *         {
                     *           "id": "con_Q5GZW2RKTHXN7VDLB4MPOA3EYU",
                     *           "kind": "customer",
                     *           "userId": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "openedByActor": {
                     *             "kind": "user",
                     *             "id": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *             "name": "Alice Lee",
                     *             "email": "alice@example.com"
                     *           },
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
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
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
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["ConnectionNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    cutOff: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the user, the `sub` of its tokens.
                 * @example 9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90
                 */
                userId: components["parameters"]["UserInPath"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "reason": "laptop stolen"
                 *     }
                 */
                "application/json": components["schemas"]["CutOffRequest"];
            };
        };
        responses: {
            /** @description The user or the session is cut off. */
            204: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["CutOffForbidden"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listCutOffs: {
        parameters: {
            query?: {
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of cut-offs. */
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
                     *           "userId": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "cutOffAt": "2025-11-22T20:31:07.512Z",
                     *           "cutOffBy": "1b8a6c1e-7d0f-4b58-9d0c-5c3f5b1f2a77",
                     *           "cutOffByActor": {
                     *             "kind": "user",
                     *             "id": "1b8a6c1e-7d0f-4b58-9d0c-5c3f5b1f2a77",
                     *             "name": "Alice Lee",
                     *             "email": "alice@example.com"
                     *           },
                     *           "reason": "laptop stolen"
                     *         },
                     *         {
                     *           "userId": "1b8a6c1e-7d0f-4b58-9d0c-5c3f5b1f2a77",
                     *           "sessionId": "5f0c0a52-2f5e-4a1c-8a39-3f0b5d8f6d11",
                     *           "cutOffAt": "2025-11-22T18:02:40.004Z",
                     *           "cutOffBy": "operator",
                     *           "cutOffByActor": {
                     *             "kind": "user",
                     *             "id": "operator"
                     *           }
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["CutOffList"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    createPasskeyOptions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The options. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "rp": {
                     *         "id": "fleet.example.com",
                     *         "name": "fleet.example.com"
                     *       },
                     *       "user": {
                     *         "id": "ZTc1OGQyNDg4ODZlYjc2NA",
                     *         "name": "bob@example.com",
                     *         "displayName": "Bob Ray"
                     *       },
                     *       "challenge": "hjgUMqvoZA2xUpF_cJVmjUvbNpAYkVB9KZWtmhsHk4M",
                     *       "pubKeyCredParams": [
                     *         {
                     *           "type": "public-key",
                     *           "alg": -7
                     *         },
                     *         {
                     *           "type": "public-key",
                     *           "alg": -8
                     *         }
                     *       ],
                     *       "timeout": 300000,
                     *       "excludeCredentials": [],
                     *       "authenticatorSelection": {
                     *         "residentKey": "preferred",
                     *         "userVerification": "required"
                     *       },
                     *       "attestation": "none"
                     *     }
                     */
                    "application/json": components["schemas"]["PasskeyOptions"];
                };
            };
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["KeyChangeForbidden"];
            404: components["responses"]["PasskeysNotSetUp"];
            429: components["responses"]["QuotaLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listPasskeys: {
        parameters: {
            query?: {
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of passkeys. */
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
                     *           "id": "9gSyTZxQTPGNCUq1rvFQ9A",
                     *           "name": "Key ring",
                     *           "createdAt": "2025-11-22T20:15:30.000Z",
                     *           "publicKey": {
                     *             "alg": "ES256",
                     *             "crv": "P-256",
                     *             "kid": "9gSyTZxQTPGNCUq1rvFQ9A",
                     *             "kty": "EC",
                     *             "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                     *             "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
                     *           },
                     *           "lastUsedAt": "2025-11-22T20:31:07.512Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["PasskeyList"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    registerPasskey: {
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
                 *       "name": "Key ring",
                 *       "credential": {
                 *         "id": "9gSyTZxQTPGNCUq1rvFQ9A",
                 *         "rawId": "9gSyTZxQTPGNCUq1rvFQ9A",
                 *         "type": "public-key",
                 *         "response": {
                 *           "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0",
                 *           "attestationObject": "o2NmbXRkbm9uZQ",
                 *           "transports": [
                 *             "internal"
                 *           ]
                 *         },
                 *         "clientExtensionResults": {}
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["RegisterPasskeyRequest"];
            };
        };
        responses: {
            /** @description The passkey. */
            201: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "9gSyTZxQTPGNCUq1rvFQ9A",
                     *       "name": "Key ring",
                     *       "createdAt": "2025-11-22T20:15:30.000Z",
                     *       "publicKey": {
                     *         "alg": "ES256",
                     *         "crv": "P-256",
                     *         "kid": "9gSyTZxQTPGNCUq1rvFQ9A",
                     *         "kty": "EC",
                     *         "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                     *         "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Passkey"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["KeyChangeForbidden"];
            404: components["responses"]["PasskeysNotSetUp"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    deletePasskey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of the passkey. */
                passkeyId: components["parameters"]["PasskeyInPath"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The passkey is deleted. */
            204: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["PasskeyNotFound"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getRoster: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The versions. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "versions": [
                     *         {
                     *           "document": "eyJhcHByb3ZlcnMiOltdfQ",
                     *           "signatures": [
                     *             {
                     *               "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ",
                     *               "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
                     *               "credentialId": "9gSyTZxQTPGNCUq1rvFQ9A",
                     *               "signature": "MEUCIQDx"
                     *             }
                     *           ]
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["RosterChain"];
                };
            };
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    setRoster: {
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
                 *       "document": "eyJhcHByb3ZlcnMiOltdfQ",
                 *       "signatures": [
                 *         {
                 *           "id": "9gSyTZxQTPGNCUq1rvFQ9A",
                 *           "rawId": "9gSyTZxQTPGNCUq1rvFQ9A",
                 *           "type": "public-key",
                 *           "response": {
                 *             "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ",
                 *             "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
                 *             "signature": "MEUCIQDx"
                 *           },
                 *           "clientExtensionResults": {}
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["SetRosterRequest"];
            };
        };
        responses: {
            /** @description All versions, with the new one. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "versions": [
                     *         {
                     *           "document": "eyJhcHByb3ZlcnMiOltdfQ",
                     *           "signatures": [
                     *             {
                     *               "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ",
                     *               "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
                     *               "credentialId": "9gSyTZxQTPGNCUq1rvFQ9A",
                     *               "signature": "MEUCIQDx"
                     *             }
                     *           ]
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["RosterChain"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["KeyChangeForbidden"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["RosterConflict"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getPolicy: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The policy. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "version": "7",
                     *       "changedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "changedAt": "2025-11-22T20:31:07.512Z",
                     *       "floor": {
                     *         "version": "3f1f4cbd2a51",
                     *         "rules": "diagnostic.*=auto,*=review"
                     *       },
                     *       "rules": [
                     *         {
                     *           "name": "diagnostics",
                     *           "types": [
                     *             "diagnostic.*"
                     *           ],
                     *           "effect": "auto"
                     *         },
                     *         {
                     *           "name": "reboot in production",
                     *           "types": [
                     *             "remediation.reboot"
                     *           ],
                     *           "tags": {
                     *             "env": "prod"
                     *           },
                     *           "window": {
                     *             "days": "Mon-Fri",
                     *             "from": "22:00",
                     *             "to": "05:00",
                     *             "zone": "device"
                     *           },
                     *           "effect": "review",
                     *           "approvals": 2,
                     *           "assurance": "aal2",
                     *           "within": "4h",
                     *           "reason": true
                     *         },
                     *         {
                     *           "name": "rest",
                     *           "effect": "review"
                     *         }
                     *       ],
                     *       "pending": {
                     *         "version": "8",
                     *         "changedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "changedAt": "2025-11-22T20:40:00.000Z",
                     *         "loosens": [
                     *           "rest"
                     *         ],
                     *         "rules": [
                     *           {
                     *             "name": "rest",
                     *             "effect": "auto"
                     *           }
                     *         ]
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Policy"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    setPolicy: {
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
                 *       "rules": [
                 *         {
                 *           "name": "diagnostics",
                 *           "types": [
                 *             "diagnostic.*"
                 *           ],
                 *           "effect": "auto"
                 *         },
                 *         {
                 *           "name": "reboot in production",
                 *           "types": [
                 *             "remediation.reboot"
                 *           ],
                 *           "tags": {
                 *             "env": "prod"
                 *           },
                 *           "window": {
                 *             "days": "Mon-Fri",
                 *             "from": "22:00",
                 *             "to": "05:00",
                 *             "zone": "device"
                 *           },
                 *           "effect": "review",
                 *           "approvals": 2,
                 *           "assurance": "aal2",
                 *           "within": "4h",
                 *           "reason": true
                 *         },
                 *         {
                 *           "name": "rest",
                 *           "effect": "review"
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["SetPolicyRequest"];
            };
        };
        responses: {
            /** @description The policy, which applies now. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "version": "7",
                     *       "changedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "changedAt": "2025-11-22T20:31:07.512Z",
                     *       "floor": {
                     *         "version": "3f1f4cbd2a51",
                     *         "rules": "diagnostic.*=auto,*=review"
                     *       },
                     *       "rules": [
                     *         {
                     *           "name": "diagnostics",
                     *           "types": [
                     *             "diagnostic.*"
                     *           ],
                     *           "effect": "auto"
                     *         },
                     *         {
                     *           "name": "reboot in production",
                     *           "types": [
                     *             "remediation.reboot"
                     *           ],
                     *           "tags": {
                     *             "env": "prod"
                     *           },
                     *           "window": {
                     *             "days": "Mon-Fri",
                     *             "from": "22:00",
                     *             "to": "05:00",
                     *             "zone": "device"
                     *           },
                     *           "effect": "review",
                     *           "approvals": 2,
                     *           "assurance": "aal2",
                     *           "within": "4h",
                     *           "reason": true
                     *         },
                     *         {
                     *           "name": "rest",
                     *           "effect": "review"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Policy"];
                };
            };
            /** @description The change waits for another admin. The policy that applies is as before. */
            202: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "version": "7",
                     *       "changedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "changedAt": "2025-11-22T20:31:07.512Z",
                     *       "floor": {
                     *         "version": "3f1f4cbd2a51",
                     *         "rules": "diagnostic.*=auto,*=review"
                     *       },
                     *       "rules": [
                     *         {
                     *           "name": "diagnostics",
                     *           "types": [
                     *             "diagnostic.*"
                     *           ],
                     *           "effect": "auto"
                     *         },
                     *         {
                     *           "name": "reboot in production",
                     *           "types": [
                     *             "remediation.reboot"
                     *           ],
                     *           "tags": {
                     *             "env": "prod"
                     *           },
                     *           "window": {
                     *             "days": "Mon-Fri",
                     *             "from": "22:00",
                     *             "to": "05:00",
                     *             "zone": "device"
                     *           },
                     *           "effect": "review",
                     *           "approvals": 2,
                     *           "assurance": "aal2",
                     *           "within": "4h",
                     *           "reason": true
                     *         },
                     *         {
                     *           "name": "rest",
                     *           "effect": "review"
                     *         }
                     *       ],
                     *       "pending": {
                     *         "version": "8",
                     *         "changedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *         "changedAt": "2025-11-22T20:40:00.000Z",
                     *         "loosens": [
                     *           "rest"
                     *         ],
                     *         "rules": [
                     *           {
                     *             "name": "rest",
                     *             "effect": "auto"
                     *           }
                     *         ]
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Policy"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["PolicyForbidden"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["PolicyConflict"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listPolicyVersions: {
        parameters: {
            query?: {
                /** @description The maximum number of items in a page. */
                limit?: components["parameters"]["Limit"];
                /** @description The `nextCursor` of the previous page. */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of versions. */
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
                     *           "version": "8",
                     *           "changedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *           "changedAt": "2025-11-22T20:40:00.000Z",
                     *           "approvedBy": "1b8a6c1e-7d0f-4b58-9d0c-5c3f5b1f2a77",
                     *           "approvedAt": "2025-11-22T20:41:10.000Z",
                     *           "loosens": [
                     *             "rest"
                     *           ],
                     *           "rules": [
                     *             {
                     *               "name": "rest",
                     *               "effect": "auto"
                     *             }
                     *           ]
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["PolicyVersionList"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    decidePolicyChange: {
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
                 *       "version": "7",
                 *       "approved": true
                 *     }
                 */
                "application/json": components["schemas"]["DecidePolicyRequest"];
            };
        };
        responses: {
            /** @description The policy after the decision. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "version": "7",
                     *       "changedBy": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "changedAt": "2025-11-22T20:31:07.512Z",
                     *       "floor": {
                     *         "version": "3f1f4cbd2a51",
                     *         "rules": "diagnostic.*=auto,*=review"
                     *       },
                     *       "rules": [
                     *         {
                     *           "name": "diagnostics",
                     *           "types": [
                     *             "diagnostic.*"
                     *           ],
                     *           "effect": "auto"
                     *         },
                     *         {
                     *           "name": "reboot in production",
                     *           "types": [
                     *             "remediation.reboot"
                     *           ],
                     *           "tags": {
                     *             "env": "prod"
                     *           },
                     *           "window": {
                     *             "days": "Mon-Fri",
                     *             "from": "22:00",
                     *             "to": "05:00",
                     *             "zone": "device"
                     *           },
                     *           "effect": "review",
                     *           "approvals": 2,
                     *           "assurance": "aal2",
                     *           "within": "4h",
                     *           "reason": true
                     *         },
                     *         {
                     *           "name": "rest",
                     *           "effect": "review"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Policy"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["PolicyDecisionForbidden"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["PolicyConflict"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    evaluatePolicy: {
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
                 *       "type": "remediation.reboot",
                 *       "parameters": {
                 *         "delaySeconds": 60
                 *       },
                 *       "proposer": {
                 *         "kind": "program"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["EvaluatePolicyRequest"];
            };
        };
        responses: {
            /** @description What the policy requires. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "effect": "review",
                     *       "rule": "reboot in production",
                     *       "version": "7",
                     *       "approvals": 2,
                     *       "assurance": "aal2",
                     *       "within": "4h0m0s",
                     *       "reason": true,
                     *       "why": "Rule \"reboot in production\" matches."
                     *     }
                     */
                    "application/json": components["schemas"]["PolicyEvaluation"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            404: components["responses"]["DeviceNotFound"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["BodyTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getMe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The caller. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "userId": "9c1f2f0e-54c5-4b1a-8a53-0d7a2e4b6c90",
                     *       "email": "alice@example.com",
                     *       "name": "Alice Lee",
                     *       "kind": "person",
                     *       "tenant": "c.acme",
                     *       "role": "approver",
                     *       "aal": "aal2",
                     *       "expiresAt": "2025-11-22T21:15:30.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Me"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getUsage: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The quotas of the tenant, and what it uses of them. */
            200: {
                headers: {
                    "X-Request-ID": components["headers"]["X-Request-ID"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "limits": {
                     *         "devices": 100000,
                     *         "openSessions": 10000,
                     *         "readyCommands": 100000,
                     *         "pendingApprovals": 10000,
                     *         "storedBytes": 4294967296,
                     *         "sockets": 20000,
                     *         "waitingClaims": 5000
                     *       },
                     *       "used": {
                     *         "devices": 1250,
                     *         "openSessions": 14,
                     *         "readyCommands": 31,
                     *         "pendingApprovals": 2,
                     *         "storedBytes": 48128004,
                     *         "sockets": 1264,
                     *         "waitingClaims": 310
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Usage"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
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
            /** @description The instance that responds. */
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
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["UserUnauthorized"];
            403: components["responses"]["InsufficientRole"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
}
