/**
 * What a deployment costs a month, in US East (N. Virginia); docs/cost.md has the same figures, with their sources. It is an estimate:
 * prices change, and differ by Region.
 */
import { INTERFACE_PARAMETERS } from '../../../config/endpoint-parameters.ts';

const HOURS = 730;
const ZONES = 2;
/** Reads of the secret by one worker: one each 15 seconds. */
const READS = (HOURS * 3600) / 15;

const USD = {
  interfaceEndpointHour: 0.01,
  /** The only instance type whose price is known here. */
  t4gSmallHour: 0.0168,
  metric: 0.3,
  alarmMetric: 0.1,
  key: 1,
  volumeGb: 0.08,
  logGb: 0.5,
  secret: 0.4,
  /** With that of its key. */
  secretRead: 0.000008,
} as const;

const COUNT = { detailedMetrics: 7, metrics: 10, alarmMetrics: 21, keys: 3, volumeGb: 16, logGb: 1 } as const;

export interface Cost {
  readonly what: string;
  /** US dollars a month; nothing where the price is not known here. */
  readonly usd: number | undefined;
}

/** @param valueOf the value that a parameter of the template has */
export function costs(valueOf: (parameter: string) => string): Cost[] {
  const workers = Number(valueOf('WorkerCount'));
  const endpoints =
    Object.values(INTERFACE_PARAMETERS).filter((name) => valueOf(name) === 'create').length +
    (valueOf('SecretsManagerEndpointId') === '' ? 1 : 0);
  const type = valueOf('InstanceType');
  const isKnown = type === 't4g.small' || workers === 0;
  return [
    { what: `interface endpoints: ${endpoints}`, usd: endpoints * ZONES * HOURS * USD.interfaceEndpointHour },
    { what: `workers: ${workers} × ${type}`, usd: isKnown ? workers * HOURS * USD.t4gSmallHour : undefined },
    { what: 'detailed monitoring of workers', usd: workers * COUNT.detailedMetrics * USD.metric },
    { what: 'keys', usd: COUNT.keys * USD.key },
    { what: 'volumes of workers', usd: workers * COUNT.volumeGb * USD.volumeGb },
    { what: 'alarms and metrics', usd: COUNT.alarmMetrics * USD.alarmMetric + COUNT.metrics * USD.metric },
    { what: 'log', usd: COUNT.logGb * USD.logGb },
    { what: 'secret and its reads', usd: USD.secret + workers * READS * USD.secretRead },
  ];
}

/** US dollars a month, of all that is known. */
export const total = (all: readonly Cost[]): number => all.reduce((sum, { usd = 0 }) => sum + usd, 0);
