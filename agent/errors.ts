/**
 * Every failure that adjoin knows by name. A code is data: what becomes of the message, and what a person should do.
 * Adapters translate foreign errors into these once, at their boundary; nothing above an adapter inspects an SDK error.
 */

/**
 * What becomes of the lifecycle action when an error reaches the worker:
 * - `retry`: nothing is wrong with the action; keep it alive with heartbeats, wait, and try again up to the limits in `patience`.
 * - `abandon`: this launch cannot succeed; remove what was staged and answer as the group's policy says.
 * - `acknowledge`: the action is void or finished; delete the message.
 * - `dead-letter`: the message can't be understood; leave it, so that SQS moves it to the dead-letter queue.
 * - `yield`: another worker owns the action, or this one stops; make the message visible again.
 * - `report`: no lifecycle action is concerned; it is in the log and in the sweep's report, and the next sweep looks
 *   again.
 * - `fatal`: the command can't start: it says why and exits with a code other than 0. No message has been received by then.
 */
export type Disposition = 'retry' | 'abandon' | 'acknowledge' | 'dead-letter' | 'yield' | 'report' | 'fatal';

interface CodeEntry {
  readonly disposition: Disposition;
  /** One sentence: what happened. */
  readonly meaning: string;
  /** One or two sentences: what the operator should do next. */
  readonly hint: string;
}

const codes = {
  // configuration
  'config-invalid': {
    disposition: 'fatal',
    meaning: 'The configuration file or an ADJOIN_ environment variable is not valid.',
    hint: 'Every problem is listed in the message. Correct them and start the agent again.',
  },

  // messages
  'message-malformed': {
    disposition: 'dead-letter',
    meaning: 'The message is not a lifecycle action in any known envelope.',
    hint: 'Look at it in the dead-letter queue. Check that only lifecycle hooks and the named EventBridge rules can send to the queue.',
  },
  'message-foreign': {
    disposition: 'dead-letter',
    meaning:
      'The message names another account or an unknown lifecycle transition, or it is a request of a sender who may not ask.',
    hint: 'Look at it in the dead-letter queue and find out who sent it. A queue serves one account and one Region.',
  },
  'action-void': {
    disposition: 'acknowledge',
    meaning:
      'Auto Scaling, or EC2 for an instance outside groups, does not show the state that the message claims: the action is over, or never was.',
    hint: 'Nothing to do. A steady stream of these means that forged or replayed messages are sent, or that hooks time out before a worker sees them. With standaloneInstances, each instance that starts without the tag is one.',
  },
  'action-not-opted-in': {
    disposition: 'acknowledge',
    meaning: 'Neither the Auto Scaling group nor the instance carries the tag JoinAD=true.',
    hint: "Tag the group with JoinAD=true, propagated to its instances, or remove the lifecycle hook from it. With JoinAD=false on the group, an instance's own JoinAD=true decides.",
  },
  'opt-in-ambiguous': {
    disposition: 'retry',
    meaning: 'The Auto Scaling group has the tag JoinAD in several spellings that contradict each other.',
    hint: 'AWS takes JoinAD and joinad for two tags. Remove all spellings but JoinAD from the group and its instances; the message stays in the queue meanwhile. If your team did not set the other one, someone may have tried to opt the group out.',
  },
  'action-owned-elsewhere': {
    disposition: 'yield',
    meaning: 'Another worker holds the lease on this instance.',
    hint: 'Nothing to do; the action waits until the other worker is done, or its lease has ended.',
  },
  'lease-lost': {
    disposition: 'yield',
    meaning:
      'This worker may no longer work on the action: a renewal of lease, visibility or heartbeat failed or came too late.',
    hint: 'Nothing to do if it is rare. Otherwise look for a starved or suspended worker, or for throttling.',
  },
  'worker-full': {
    disposition: 'yield',
    meaning: 'This worker has as many launches, or terminations, as it may have; one more is handed back.',
    hint: 'Look for a cause that keeps many actions waiting, such as a launch template without the SSM agent. Otherwise add workers or raise `concurrency`.',
  },
  draining: {
    disposition: 'yield',
    meaning: 'The worker is stopping and hands the action back.',
    hint: 'Nothing to do; another worker, or this one after its restart, takes over.',
  },

  // nodes
  'node-not-ready': {
    disposition: 'retry',
    meaning: 'The instance has not registered as a managed node with Systems Manager.',
    hint: 'Check the instance profile (AmazonSSMManagedInstanceCore), the ssm and ssmmessages VPC endpoints, and that the SSM agent is in the image.',
  },
  'node-packages-missing': {
    disposition: 'abandon',
    meaning: 'The node lacks packages that a domain join needs.',
    hint: 'Put the packages that the message names into the image, with the document adjoin-prepare-image for example. Amazon Linux installs them by itself; for RPM systems a repository can be named in nodes.packageRepository.',
  },
  'node-packages-not-installed': {
    disposition: 'retry',
    meaning: 'The node could not install the packages that a domain join needs.',
    hint: 'The message has what the package manager said. Amazon Linux needs the S3 gateway endpoint, with both buckets of policies/endpoint-s3.json. With nodes.packageRepository, check its URL, its metadata and the key of its packages.',
  },
  'node-renames-itself': {
    disposition: 'abandon',
    meaning:
      'EC2Launch is told to give the node a name of its own when it starts, which would undo the join.',
    hint: 'Take the task setHostName out of the agent-config.yml of EC2Launch v2 in the image, or set setComputerName to false in the LaunchConfig.json of EC2Launch v1.',
  },
  'node-adcli-too-old': {
    disposition: 'abandon',
    meaning:
      'The controller has changed the password, and adcli took its answer for a failure, so that the node has no keys.',
    hint: 'Controllers of Windows Server 2025 need adcli 0.9.3 or later. Put one into the image, or name controllers of another version in directory.controllers.',
  },
  'node-foreign-domain': {
    disposition: 'abandon',
    meaning: 'The node is a member of another domain already, or set up for one.',
    hint: 'Do not join the image to a domain before launch, or exclude this group from adjoin.',
  },
  'node-unsupported': {
    disposition: 'abandon',
    meaning:
      'The node runs an operating system for which there is no join script, or too old a version of one.',
    hint: 'Use a supported operating system, or remove the launch hook from this group.',
  },
  'node-system-contradicted': {
    disposition: 'abandon',
    meaning:
      'The group’s tag Operating_System names another operating system than the one that the node runs.',
    hint: 'Correct the tag, or remove it: systems are recognised without it. It is for derivatives that say nothing of what they are like.',
  },
  'group-tag-invalid': {
    disposition: 'abandon',
    meaning: 'A tag of the Auto Scaling group has a value that adjoin does not know.',
    hint: 'The message names the tag, its value and what is allowed. Correct it on the group; launches that follow are joined. A document of your own must be in ownDocuments of the configuration.',
  },
  'node-facts-invalid': {
    disposition: 'retry',
    meaning: 'The node answered a command with something other than the one line of facts that is expected.',
    hint: 'Read the invocation with `aws ssm list-command-invocations --details`. Check that the documents and the agent are of the same release.',
  },
  'node-key-refused': {
    disposition: 'abandon',
    meaning: 'The node offered a public key that would not protect its one-time password.',
    hint: 'The probe makes RSA keys of 2048 bits and nothing else. If you cannot explain another one, take the instance for compromised and look at it with the policy HOLD.',
  },
  'command-failed': {
    disposition: 'retry',
    meaning: 'A Run Command invocation failed or timed out.',
    hint: 'Read the invocation with `aws ssm list-command-invocations --details`.',
  },
  'command-cancelled': {
    disposition: 'retry',
    meaning:
      'A person or a program has cancelled a command of adjoin. It is tried again, and does not count as an attempt.',
    hint: 'The CloudTrail event CancelCommand with the command ID in the message says who it was. Take ssm:CancelCommand away from those who need not have it.',
  },
  'command-undeliverable': {
    disposition: 'retry',
    meaning: 'Systems Manager could not deliver the command to the node.',
    hint: 'Check that the SSM agent runs on the instance and reaches its VPC endpoints.',
  },
  'document-mismatch': {
    disposition: 'retry',
    meaning:
      'A command document is missing, or is not the version and hash that the agent is configured for.',
    hint: 'Deploy the documents and the agent together. If there was no deployment, a document was changed by hand: look into CloudTrail.',
  },
  'join-failed': {
    disposition: 'retry',
    meaning: 'The node could not join with the staged account.',
    hint: 'The message carries the reason that the node gave. From the node, check DNS, ports 53, 88, 389, 445 and 464 to the domain controller (on Windows 135 and those of RPC, too), and the clock.',
  },
  'node-password-refused': {
    disposition: 'retry',
    meaning:
      'The domain controller refused the one-time password of the staged account, or does not know the account (on Windows 1326).',
    hint: 'Find out what else resets, moves or deletes computer accounts of the unit. If only some controllers refuse, look at replication.',
  },
  'node-account-locked': {
    disposition: 'retry',
    meaning: 'The computer account is locked out or disabled (on Windows 1909 or 1331).',
    hint: 'Look in the security log of the controller (events 4740 and 4725) for what locks or disables accounts of the unit. It is staged again and enabled with the next attempt.',
  },
  'node-clock-skew': {
    disposition: 'retry',
    meaning: "The node's clock and the controller's are more than five minutes apart.",
    hint: 'Let the node take its time from 169.254.169.123 (chrony, or on Windows w32time), and look at the clock of the controller that the message names.',
  },
  'node-domain-not-found': {
    disposition: 'retry',
    meaning:
      'The node finds no controller of the domain in DNS: no SRV record, or a name that is not there (on Windows 1355).',
    hint: "Let the node's DNS lead to the domain: DHCP options of its VPC, or a Route 53 Resolver rule for the domain. On the node, `dig SRV _ldap._tcp.DOMAIN` must name the controllers.",
  },
  'node-controller-unreachable': {
    disposition: 'retry',
    meaning:
      'The node finds a domain controller, and gets no answer from it (no KDC; on Windows 1311, 1722, 53, 64 or 121).',
    hint: 'Open ports 53, 88, 389, 445 and 464 from the node to every controller of its site, on Windows 135 and those of RPC too: security groups, network ACLs, routes, firewalls.',
  },
  'node-account-exists': {
    disposition: 'retry',
    meaning: 'The join tried to create the account that was staged for it (on Windows 2224).',
    hint: 'A join uses the staged account as it is. In a script of your own, join as the computer with the one-time password, and create no account.',
  },
  'node-account-reuse-blocked': {
    disposition: 'retry',
    meaning: 'Windows refuses to use a computer account that exists already (2732, 0xaac, KB5020276).',
    hint: 'Add the service account, which owns the accounts, to the policy "Domain controller: Allow computer account re-use during domain join", and bring the controllers and the image up to date.',
  },
  'node-not-usable': {
    disposition: 'retry',
    meaning:
      'The node has joined, but sssd, on Windows Netlogon, is not online, or does not resolve a user of the domain.',
    hint: "The message has the reason. On Linux, check the image's /etc/sssd/conf.d, nsswitch.conf and free disk space; everywhere, ports 53, 88, 389 and 3268 to every controller of the node's site, on Windows those of RPC too.",
  },
  'node-name-unregistered': {
    disposition: 'retry',
    meaning: "The node has joined, but DNS does not lead from the computer's name to it.",
    hint: 'Allow secure dynamic updates of the zone, and port 53 to its servers. If names are not to be registered, put dyndns_update = false for the domain into a file in /etc/sssd/conf.d of the image.',
  },
  'node-group-unknown': {
    disposition: 'retry',
    meaning: 'The node has joined, but the domain shows it no group of a name that may log in or use sudo.',
    hint: 'Correct the name in the group’s tag adjoin:LogInGroups or adjoin:SudoGroups, or in logIn of the configuration: it is the sAMAccountName of a group of this domain. A new group may not have replicated yet.',
  },
  'join-unverified': {
    disposition: 'retry',
    meaning: 'The node says that it joined, but the directory does not show it.',
    hint: 'Check replication between domain controllers, and that nothing else resets the computer account.',
  },
  'group-failing': {
    disposition: 'report',
    meaning: 'Launch after launch of one Auto Scaling group fails, and none joins.',
    hint: 'The message has the last error. Compare image, launch template and subnets with what joined last. Each worker tries one launch at a time, after growing pauses, until one joins.',
  },
  'post-join-failed': {
    disposition: 'abandon',
    meaning:
      "The group's post-join document failed or did not end in time. The node is a verified member all the same.",
    hint: 'The message has what the script said; read the invocation with `aws ssm list-command-invocations --details`. The node enters service, unless the group has adjoin:OnPostJoinFailure=ABANDON.',
  },
  'join-exhausted': {
    disposition: 'abandon',
    meaning: 'The join was tried as often, or for as long, as the configuration allows.',
    hint: 'The message carries the last error; its code and hint say what to correct.',
  },

  // the directory
  'credential-refused': {
    disposition: 'retry',
    meaning: 'The directory refuses the service account (LDAP 49): wrong user name or password.',
    hint: 'Write the right password as a new version of the secret; it is picked up without a restart. A version that two controllers, or the only one, called wrong is not tried again, so that the account is not locked out.',
  },
  'credential-locked': {
    disposition: 'retry',
    meaning:
      'The service account is locked out (LDAP 49, data 775), because wrong passwords were tried. The one in the secret may still be right.',
    hint: 'Find out what else tries to log on with it, and unlock it or wait until the lock ends. It is tried again every two minutes; the secret need not be written again.',
  },
  'credential-restricted': {
    disposition: 'retry',
    meaning:
      'The service account may not log on at this time, or not from this computer (LDAP 49, data 530 or 531). The credential itself is right.',
    hint: 'Look at its logon hours and at the workstations that it may log on to. It is tried again every two minutes; the secret need not be written again.',
  },
  'credential-expired': {
    disposition: 'retry',
    meaning: 'The password of the service account has expired or must be changed (LDAP 49, data 532 or 773).',
    hint: 'Set a new password in the directory and write it as a new version of the secret. A version that two controllers refuse is not tried again.',
  },
  'credential-disabled': {
    disposition: 'retry',
    meaning: 'The service account is disabled or expired (LDAP 49, data 533 or 701).',
    hint: 'Enable the account in the directory. It is tried again every two minutes, until two controllers say the same: then write the secret again, even if its value is unchanged.',
  },
  'secret-invalid': {
    disposition: 'retry',
    meaning:
      'The secret is not a JSON object with domain_name, domain_user, domain_password and directory_ou, or one of them can not be right.',
    hint: 'The message names the key and what is wrong, such as a control character (U+000A is a new line). Write the secret again; the agent reads it by itself. No logon was made with it.',
  },
  'secret-unreadable': {
    disposition: 'retry',
    meaning: 'Secrets Manager does not hand out the secret.',
    hint: "Check the secret's name, its resource policy, and that the worker calls through the VPC endpoint.",
  },
  'directory-unavailable': {
    disposition: 'retry',
    meaning: 'No domain controller answers.',
    hint: 'Check that DNS on the worker resolves the domain, and that ports 53 and 636 to the domain controllers are open.',
  },
  'directory-untrusted': {
    disposition: 'retry',
    meaning:
      "The domain controller's certificate, or one above it, does not verify: unknown authority, expired, too weak, for another name. Or nothing proves that the host is a domain controller.",
    hint: 'Mend the certificate that the message names, or put its CA into directory.caFile. If nothing proves a controller, name it in directory.controllers, or give it a certificate with KDC Authentication. If it is none, DNS is forged.',
  },
  'directory-denied': {
    disposition: 'retry',
    meaning: 'The service account may not do this in the organizational unit (LDAP 50).',
    hint: 'Delegate create, delete and manage of computer objects in the organizational unit, as docs/deploy.md shows.',
  },
  'account-protected': {
    disposition: 'retry',
    meaning:
      'An account of ours is protected from accidental deletion: its access list denies everybody to delete it.',
    hint: 'The message says where it is. Clear "Protect object from accidental deletion", or delete it; it is disabled. Until then its removal stays owed.',
  },
  'account-out-of-reach': {
    disposition: 'retry',
    meaning: 'An account of ours was moved to a place where the service account may not delete it.',
    hint: 'The message says where it is. Move it back, delegate deletion there, or delete it. Until then its removal stays owed.',
  },
  'removal-unproven': {
    disposition: 'retry',
    meaning:
      'The controller that took the staging does not answer, and another one, which may not know of the account yet, does not show it.',
    hint: 'Bring the controller back. If it is gone for good, do nothing: a day after the staging the word of the others counts.',
  },
  'organizational-unit-missing': {
    disposition: 'retry',
    meaning: 'The organizational unit in the secret does not exist.',
    hint: 'Correct directory_ou in the secret, or create the organizational unit.',
  },
  'dns-record-denied': {
    disposition: 'report',
    meaning:
      'The account is gone, but the service account may not remove its DNS record from the zone (LDAP 50).',
    hint: 'Delegate it on the zone, as docs/deploy.md shows: the next sweep removes the record. If others clean up DNS, set dnsCleanup to none (parameter DnsCleanup).',
  },
  'dns-name-taken': {
    disposition: 'retry',
    meaning: 'Another account of the domain has registered the name of this computer in DNS.',
    hint: 'Look at the owner of the record, and delete the record. Such a name belongs to one instance only: nobody registers it by chance.',
  },
  'account-unmatched': {
    disposition: 'retry',
    meaning:
      'Others joined the instance, and no account is proven to be its own: the node does not answer, says that it is no member, or has another account’s key.',
    hint: 'Look for the account that the message names, if any, and delete it yourself. Nodes of a group with adjoin:UnjoinOnly=true need a running SSM agent until they end (Linux: kinit, nsupdate), and DNS that takes secure updates.',
  },
  'name-taken': {
    disposition: 'abandon',
    meaning:
      'All candidate computer names for this instance belong to accounts that adjoin did not make for it.',
    hint: 'Look at those accounts and at the DNS records of these names; adjoin touches no account that its own service account did not make.',
  },
  'directory-refused': {
    disposition: 'retry',
    meaning: 'The directory refused an operation for another reason.',
    hint: 'The message carries the LDAP result code and the diagnostic text.',
  },

  // AWS
  'aws-throttled': {
    disposition: 'retry',
    meaning: 'An AWS service throttles the worker.',
    hint: 'Nothing to do if it passes. Otherwise ask for a higher limit, or lower `concurrency`.',
  },
  'aws-denied': {
    disposition: 'retry',
    meaning: 'An AWS service denied a call.',
    hint: "The message names action and resource. Compare the worker role's policies with the deployed release.",
  },
  'aws-unauthenticated': {
    disposition: 'retry',
    meaning: "AWS does not accept the worker's own credentials: they are expired, unknown or wrongly signed.",
    hint: 'Check the instance profile, the instance metadata service and the clock of the worker.',
  },
  'aws-unavailable': {
    disposition: 'retry',
    meaning: 'An AWS service did not answer, or answered with an error of its own.',
    hint: 'Check the VPC endpoints and the AWS Health Dashboard.',
  },
  'aws-refused': {
    disposition: 'retry',
    meaning: 'An AWS service refused a request as invalid.',
    hint: 'The message carries the service, the operation and its answer. This is a defect in adjoin or a resource that was changed by hand.',
  },

  // the sweep
  'account-unproven': {
    disposition: 'report',
    meaning:
      "It is not proven that the agent's credentials belong to the configured account and Region, so an instance that EC2 does not show may still exist elsewhere.",
    hint: "Compare accountId and region in the configuration with the worker's role. The account must have at least one instance or Auto Scaling group.",
  },
  'inventory-shrunk': {
    disposition: 'report',
    meaning:
      'Far fewer members than the ledger knows are shown by EC2, or by the directory. The sweep removes nothing because of that.',
    hint: 'Find out what is missing: instances, rights to see them, or a part of the directory. If it is right, run `adjoin sweep` once with ADJOIN_SWEEP_LARGEST_LOSS_PERCENT=100.',
  },
  'account-moved': {
    disposition: 'report',
    meaning: 'The computer account of a running instance is not in the organizational unit any more.',
    hint: 'The message says where it is. It works as before and is removed with its instance; move it back, or delegate its deletion there. After a change of directory_ou this is so for all earlier members.',
  },
  'account-vanished': {
    disposition: 'report',
    meaning: 'The computer account of a running instance is missing from the directory.',
    hint: 'Find out who deleted it. Restore it from the recycle bin, or terminate the instance, so that its group replaces it.',
  },

  unexpected: {
    disposition: 'retry',
    meaning: 'Something failed in a way that adjoin has no name for.',
    hint: 'The log holds the stack. Please report it.',
  },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof codes;

/** The table of codes, for docs/troubleshooting.md and for tests. */
export const errorCodes: Readonly<Record<ErrorCode, CodeEntry>> = codes;

/** Characters of a message at most. IAM's longest answers have about two thousand. */
const LONGEST_MESSAGE = 4_000;

/**
 * Messages quote nodes, the directory, tags and AWS, and end up in the ledger and on terminals: none may span lines, move a
 * cursor or be without end. Only the list of a configuration's problems has lines, and nothing foreign.
 */
function onOneLine(message: string): string {
  const line = message.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
  return line.length <= LONGEST_MESSAGE ? line : `${line.slice(0, LONGEST_MESSAGE - 1)}…`;
}

export interface AdjoinErrorOptions extends ErrorOptions {
  /** When what is in the way ends by itself, milliseconds since the Unix epoch: there is no use in waiting longer. */
  readonly until?: number | undefined;
  /** The request was sent more than once: an earlier one, whose response was lost, may have been carried out. */
  readonly isRepeated?: boolean;
}

/** An error that adjoin knows by name. `message` says what happened and to whom; it never holds a secret. */
export class AdjoinError extends Error {
  readonly code: ErrorCode;
  readonly until: number | undefined;
  readonly isRepeated: boolean;

  constructor(code: ErrorCode, message: string, options: AdjoinErrorOptions = {}) {
    super(code === 'config-invalid' ? message : onOneLine(message), options);
    this.name = 'AdjoinError';
    this.code = code;
    this.until = options.until;
    this.isRepeated = options.isRepeated ?? false;
  }

  get disposition(): Disposition {
    return codes[this.code].disposition;
  }

  get hint(): string {
    return codes[this.code].hint;
  }
}

/** The error as adjoin names it; a foreign one becomes `unexpected`, with its own message kept. */
export function asAdjoinError(error: unknown): AdjoinError {
  if (error instanceof AdjoinError) return error;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new AdjoinError('unexpected', message, { cause: error });
}

/** What a foreign error says of itself, in one line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
