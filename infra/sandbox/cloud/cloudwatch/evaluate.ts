/**
 * What state an alarm has by its last data points.
 *
 * Sources: Alarm evaluation, and Configuring how CloudWatch alarms treat missing data, Amazon CloudWatch User Guide,
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html and …/alarms-and-missing-data.html.
 */
import { comparisons, type AlarmSettings, type AlarmState } from './settings.ts';

/** The value of one period; undefined where nothing was measured in it. */
export interface Datapoint {
  /** When the period began, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly value: number | undefined;
}

interface Measured extends Datapoint {
  readonly value: number;
}

/**
 * How many data points are looked at beyond those that are evaluated, to have fewer that are missing. CloudWatch says so of periods
 * of five minutes, where it evaluates three: it looks at five. For others it doesn't say.
 */
const further = 2;

/** How many periods are looked at. */
export const lookedAt = ({ evaluationPeriods }: AlarmSettings): number => evaluationPeriods + further;

export interface Verdict {
  readonly state: AlarmState;
  readonly reason: string;
}

/**
 * @param points the newest first, as many as `lookedAt` says
 * @returns undefined where the alarm stays as it is
 */
export function evaluate(settings: AlarmSettings, points: readonly Datapoint[]): Verdict | undefined {
  const { evaluationPeriods: most, datapointsToAlarm: least, missing, threshold = 0, comparison } = settings;
  const isBeyond = comparisons[comparison]?.beyond ?? (() => false);
  const there = points.filter((each): each is Measured => each.value !== undefined);
  const evaluated = there.slice(0, most);
  const beyond = evaluated.filter(({ value }) => isBeyond(value, threshold));
  const within = evaluated.filter(({ value }) => !isBeyond(value, threshold));
  const gaps = most - evaluated.length;

  if (gaps > 0 && (missing === 'missing' || missing === 'ignore')) {
    if (beyond.length < least && within.length === 0) {
      const [oldest] = beyond.toReversed();
      const age = points.findIndex((each) => each === oldest) + 1;
      if (missing === 'ignore') return undefined;
      if (age < least)
        return {
          state: 'INSUFFICIENT_DATA',
          reason: `Insufficient Data: ${counted(gaps, 'datapoint was', 'datapoints were')} unknown.`,
        };
      return { state: 'ALARM', reason: crossed(settings, beyond, gaps, true) };
    }
  }
  const countedBeyond = beyond.length + (missing === 'breaching' ? gaps : 0);
  return countedBeyond >= least
    ? { state: 'ALARM', reason: crossed(settings, beyond, gaps, true) }
    : { state: 'OK', reason: crossed(settings, within, gaps, false) };
}

/** The reason of a state, as in the messages that CloudWatch sends. */
function crossed(
  settings: AlarmSettings,
  deciding: readonly Measured[],
  gaps: number,
  isAlarm: boolean,
): string {
  const { evaluationPeriods: most, datapointsToAlarm: least, threshold = 0, comparison, missing } = settings;
  const treated = `${counted(gaps, 'missing datapoint was', 'missing datapoints were')} treated as [${missing === 'breaching' ? 'Breaching' : 'NonBreaching'}]`;
  if (gaps === most)
    return `Threshold Crossed: no datapoints were received for ${counted(gaps, 'period', 'periods')} and ${treated}.`;
  const values = deciding.map(({ value, at }) => `${decimal(value)} (${stamp(at)})`).join(', ');
  const needed = isAlarm ? least : most - least + 1;
  return [
    `Threshold Crossed: ${deciding.length} out of the last ${most} datapoints [${values}] `,
    `${deciding.length === 1 ? 'was' : 'were'} ${isAlarm ? '' : 'not '}${comparisons[comparison]?.words} the threshold (${decimal(threshold)})`,
    gaps > 0 ? ` and ${treated}` : '',
    ` (minimum ${counted(needed, 'datapoint', 'datapoints')} for ${isAlarm ? 'OK -> ALARM' : 'ALARM -> OK'} transition).`,
  ].join('');
}

const counted = (count: number, one: string, several: string): string =>
  `${count} ${count === 1 ? one : several}`;

/** With a point, as Java writes it. */
const decimal = (value: number): string => (Number.isInteger(value) ? `${value}.0` : String(value));

/** `30/11/26 16:20:00` */
function stamp(at: number): string {
  const [date = '', time = ''] = new Date(at).toISOString().slice(2, 19).split('T');
  return `${date.split('-').toReversed().join('/')} ${time}`;
}
