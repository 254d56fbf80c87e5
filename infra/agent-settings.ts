import { type CfnCondition, Fn, Stack, Token } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

type Numbers<Names extends string> = Readonly<Partial<Record<Names, number>>>;

/**
 * The agent's settings that a stack leaves open; config/schema.json says what each means. A setting that is not given has the
 * agent's own default.
 */
export interface AgentSettings {
  readonly concurrency?: number;
  /** Documents that groups may name, each as `NAME:VERSION:SHA256`. */
  readonly ownDocuments?: readonly string[];
  readonly receive?: Numbers<'waitSeconds' | 'visibilitySeconds'>;
  readonly nodes?: Numbers<
    | 'registrationPollSeconds'
    | 'commandPollSeconds'
    | 'coalesceSeconds'
    | 'deliverySeconds'
    | 'probeSeconds'
    | 'joinSeconds'
    | 'postJoinSeconds'
    | 'leaveSeconds'
  > & {
    /** Empty where there is none. */
    readonly packageRepository?: string;
  };
  readonly logIn?: {
    readonly groups?: readonly string[];
    readonly sudoGroups?: readonly string[];
    readonly groupPolicy?: 'enforcing' | 'permissive' | 'disabled';
  };
  readonly directory?: Numbers<'connectSeconds' | 'operationSeconds'> & {
    /** No others are used. */
    readonly controllers?: readonly string[];
    /** Its controllers are tried first. Controllers that are named go before it. */
    readonly site?: string;
    readonly namePrefixes?: readonly string[];
    /** `records` or `none`. */
    readonly dnsCleanup?: string;
  };
  readonly patience?: Numbers<
    'joinSeconds' | 'unjoinSeconds' | 'leaveSeconds' | 'joinAttempts' | 'retrySeconds' | 'retryMaximumSeconds'
  >;
  readonly sweep?: Numbers<
    'intervalSeconds' | 'ageGuardSeconds' | 'maximumRemovals' | 'largestLossPercent' | 'quarantineDays'
  > & {
    readonly enabled?: boolean;
  };
  readonly credentialPollSeconds?: number;
  readonly drainSeconds?: number;
  readonly logLevel?: 'error' | 'warn' | 'info' | 'debug';
}

/** The same, with what a template with parameters decides on. */
export interface ConditionalSettings extends Omit<AgentSettings, 'ownDocuments' | 'directory' | 'sweep'> {
  /** As one text with commas and a condition, there are none where the condition is false. */
  readonly ownDocuments?: readonly string[] | { readonly list: string; readonly condition: CfnCondition };
  readonly directory?: Omit<NonNullable<AgentSettings['directory']>, 'controllers' | 'site'> & {
    /** As one text with commas and a condition, the setting is left out where the condition is false. */
    readonly controllers?: readonly string[] | { readonly hosts: string; readonly condition: CfnCondition };
    /** With a condition, the setting is left out where the condition is false. */
    readonly site?: string | { readonly name: string; readonly condition: CfnCondition };
  };
  readonly sweep?: Omit<NonNullable<AgentSettings['sweep']>, 'enabled'> & {
    readonly enabled?: boolean | CfnCondition;
  };
}

/** Settings that follow from the stack and can't be chosen. */
export interface FixedSettings {
  readonly directory: { readonly caFile: string };
  readonly [setting: string]: unknown;
}

/** Seconds, both; the agent itself takes no others. */
const SHORTEST_VISIBILITY = 10;
const LONGEST_VISIBILITY = 3600;

/** @throws Error for a setting with which a worker could not start: the launches of every group would wait for it */
function checkVisibility({ receive: { visibilitySeconds } = {} }: ConditionalSettings): void {
  if (visibilitySeconds === undefined || Token.isUnresolved(visibilitySeconds)) return;
  if (
    Number.isInteger(visibilitySeconds) &&
    visibilitySeconds >= SHORTEST_VISIBILITY &&
    visibilitySeconds <= LONGEST_VISIBILITY
  ) {
    return;
  }
  throw new Error(
    'agentSettings: receive.visibilitySeconds must be from 10 seconds to an hour, in whole seconds: in less a lease is not renewed in time when an answer takes five seconds',
  );
}

/** The agent's configuration file, as text that CloudFormation completes. */
export function agentConfig(
  scope: Construct,
  fixed: FixedSettings,
  settings: ConditionalSettings,
  standaloneInstances: boolean | CfnCondition = false,
): string {
  checkVisibility(settings);
  const { directory = {}, sweep: { enabled, ...sweep } = {}, ownDocuments, ...others } = settings;
  const text = (value: unknown) => Stack.of(scope).toJsonString(value);
  return text({
    ...others,
    ...fixed,
    standaloneInstances: onOrOff(standaloneInstances),
    directory: directorySettings(fixed, directory, text),
    ...(ownDocuments && {
      ownDocuments:
        'list' in ownDocuments
          ? either(ownDocuments.condition, quotedList(ownDocuments.list), '[]')
          : ownDocuments,
    }),
    ...(settings.sweep && {
      sweep: {
        ...sweep,
        ...(enabled !== undefined && { enabled: onOrOff(enabled) }),
      },
    }),
  });
}

/** Each part that a condition decides on makes two texts of the whole, since JSON can't leave a name out. */
function directorySettings(
  fixed: FixedSettings,
  { site, controllers, ...directory }: NonNullable<ConditionalSettings['directory']>,
  text: (value: unknown) => string,
): unknown {
  const isList = controllers !== undefined && !('hosts' in controllers);
  const always = { ...directory, ...(isList && { controllers }), ...fixed.directory };
  const inSite =
    typeof site === 'object'
      ? either(site.condition, text({ ...always, site: site.name }), text(always))
      : { ...always, ...(site !== undefined && { site }) };
  if (controllers === undefined || !('hosts' in controllers)) return inSite;
  const pinned = { ...always, controllers: Token.asNumber(quotedList(controllers.hosts)) };
  return either(controllers.condition, text(pinned), text(inSite));
}

/** A text with commas as a JSON list. */
const quotedList = (text: string): string => Fn.join('', ['["', Fn.join('","', Fn.split(',', text)), '"]']);

const onOrOff = (value: boolean | CfnCondition): boolean | number =>
  typeof value === 'boolean' ? value : either(value, 'true', 'false');

/** One of two JSON texts. A placeholder number marks the place, because JSON writes numbers without quotes. */
function either(condition: CfnCondition, then: string, otherwise: string): number {
  return Token.asNumber(Fn.conditionIf(condition.logicalId, then, otherwise));
}
