/** What a command document is for. */
export type Purpose = 'probe' | 'join' | 'leave' | 'prepare-image';

interface StringParameter {
  readonly type: 'String';
  readonly description: string;
  readonly default?: string;
  readonly maxChars: number;
  readonly allowedPattern: string;
}

interface StringListParameter {
  readonly type: 'StringList';
  readonly description: string;
  readonly maxItems: number;
  /** Holds for every item. */
  readonly allowedPattern: string;
}

export type Parameter = StringParameter | StringListParameter;

/**
 * A DNS name of two labels or more; RFC 1035 bounds a label at 63 and a name at 253 characters. Windows takes an underscore in the
 * name of a host or a domain.
 */
const domainName =
  '^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)+$';

const domain: StringParameter = {
  type: 'String',
  description: 'The DNS name of the domain',
  maxChars: 253,
  allowedPattern: domainName,
};

/** The tag `Operating_System` of the node's group; a test keeps the values those of config/operating-systems.json. */
const operatingSystem: StringParameter = {
  type: 'String',
  description: 'What the group says its nodes run; empty where it says nothing',
  default: '',
  maxChars: 12,
  allowedPattern: '^(AMAZON_LINUX|FEDORA|RHEL|CENTOS|UBUNTU|DEBIAN|SUSE|WINDOWS)?$',
};

/** Where the documents install packages from, if not from the vendor's bucket. What @…@ stands for is the node's to say. */
const packageRepository: StringParameter = {
  type: 'String',
  description:
    'URL of a repository with the packages of a join; @id@, @version@ and @arch@ stand for those of the node',
  default: '',
  maxChars: 512,
  allowedPattern:
    '^((https://[A-Za-z0-9.-]+(:[0-9]{1,5})?|file://)(/([A-Za-z0-9._~+-]|@id@|@version@|@arch@)+)+/?)?$',
};

/**
 * Names of groups of the domain, with colons between them. A space is written as +, which no name of a group can have
 * (MS-SAMR: sAMAccountName), so that nothing in it divides words.
 */
const groups = (description: string): StringParameter => ({
  type: 'String',
  description: `${description}, with colons between them and + for a space; may be empty`,
  default: '',
  maxChars: 1024,
  allowedPattern:
    '^([A-Za-z0-9_]([A-Za-z0-9_.+-]{0,62}[A-Za-z0-9_])?(:[A-Za-z0-9_]([A-Za-z0-9_.+-]{0,62}[A-Za-z0-9_])?)*)?$',
});

/** The SSM agent silently uses 3600 for less than 5 seconds. Four digits are enough: a heartbeat lasts two hours at most. */
function executionTimeout(seconds: number): StringParameter {
  return {
    type: 'String',
    description: 'Seconds after which the SSM agent kills the script',
    default: String(seconds),
    maxChars: 4,
    allowedPattern: '^([5-9]|[1-9][0-9]{1,3})$',
  };
}

/** The parameters of each document; the same on every platform. */
export const parameters: Readonly<Record<Purpose, Readonly<Record<string, Parameter>>>> = {
  probe: {
    challenge: {
      type: 'String',
      description:
        'A name that a member registers in DNS with the key of its account; without one it registers nothing',
      default: '',
      maxChars: 39,
      allowedPattern: '^(adjoin-[0-9a-f]{32})?$',
    },
    operatingSystem,
    packageRepository,
    // Its waits add up to 42 seconds: the lock 15, and the proof 11 and 16. A key takes a second or two.
    executionTimeout: executionTimeout(60),
  },
  join: {
    domain,
    domainController: {
      type: 'String',
      description: 'The host name of the domain controller that staged the computer accounts',
      maxChars: 253,
      allowedPattern: domainName,
    },
    entries: {
      type: 'StringList',
      description:
        'For each node: instance ID, computer name and one-time password, sealed to the key of its last probe',
      // Systems Manager counts them into the 64 KB of the document, whose script takes half of that on Linux.
      maxItems: 40,
      // 342 to 512 digits of base64: RSA of 2048 to 3072 bits.
      allowedPattern: '^m?i-([0-9a-f]{8}|[0-9a-f]{17}):[A-Z][A-Z0-9]{0,14}:[A-Za-z0-9+/]{342,512}={0,2}$',
    },
    operatingSystem,
    packageRepository,
    logInGroups: groups(
      'The groups of the domain whose members may log in; empty: everyone whom its policies let in',
    ),
    sudoGroups: groups('The groups of the domain whose members may use sudo'),
    groupPolicy: {
      type: 'String',
      description: 'What becomes of the log-in rights in group policies, where no groups are named',
      default: 'enforcing',
      maxChars: 10,
      allowedPattern: '^(enforcing|permissive|disabled)$',
    },
    // Its waits add up to 582 seconds: the lock 150, packages 155, log-in tools 80, adcli 122 and 31, sssd's stop 7 and start 26, the
    // host name 6, sssd's log 5. What is not waited so is for sssd to come online and for the name to be registered, 280 seconds at
    // most; the script ends that 10 seconds before the end.
    executionTimeout: executionTimeout(600),
  },
  leave: {
    domain,
    notAfter: {
      type: 'String',
      description:
        'The time after which the script does nothing, by the clock of the node; seconds since the Unix epoch',
      maxChars: 10,
      allowedPattern: '^[1-9][0-9]{9}$',
    },
    // Its waits add up to 14 seconds: the lock 7, sssd's stop 7. Tools that take log-ins back have 5 each, and need one. The agent
    // gives it 20.
    executionTimeout: executionTimeout(30),
  },
  'prepare-image': {
    operatingSystem,
    packageRepository,
    region: {
      type: 'String',
      description: 'The Region whose bucket the SSM agent comes from, on systems that have no package of it',
      default: 'us-east-1',
      maxChars: 32,
      allowedPattern: '^[a-z]{2,}(-[a-z]+)+-[0-9]$',
    },
    // People run it by hand and wait; a quarter of it is for each installation.
    executionTimeout: executionTimeout(3600),
  },
};
