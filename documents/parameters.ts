/** What a command document is for. */
export type Purpose = 'probe' | 'join' | 'leave';

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
      // Systems Manager counts them into the 64 KB of the document, whose scripts take most of that.
      maxItems: 30,
      // 342 to 684 digits of base64: RSA of 2048 to 4096 bits.
      allowedPattern: '^i-([0-9a-f]{8}|[0-9a-f]{17}):[A-Z][A-Z0-9]{0,14}:[A-Za-z0-9+/]{342,684}={0,2}$',
    },
    // Its waits add up to 272 seconds: the lock 75, adcli 122 and 31, sssd's stop 7 and start 26, the host name 6, sssd's log 5.
    // The rest is for sssd to come online and for the name to be registered; the script ends that 10 seconds before the end.
    executionTimeout: executionTimeout(300),
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
    // Its waits add up to 14 seconds: the lock 7, sssd's stop 7. The agent gives it 20.
    executionTimeout: executionTimeout(30),
  },
};
