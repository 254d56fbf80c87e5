/**
 * The domain controllers: which there are, one bound connection to each that is in use, and going on with the next one
 * when one fails. Everybody who waits for the same controller shares one attempt to connect.
 */
import { readFile } from 'node:fs/promises';
import type { SrvRecord } from 'node:dns';
import type { Clock } from '../clock.ts';
import { AdjoinError, reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { BindGate, type Binding } from './bind-gate.ts';
import { Connection, endpointName, type Endpoint } from './connection.ts';
import type { CredentialSource } from './credential.ts';
import { controllersRecord, inSrvOrder, LDAPS_PORT, parseEndpoint, siteRecord } from './discovery.ts';
import { ControllerFailure, isReferral, isResult, noController, Result, toAdjoinError } from './failures.ts';
import type { RandomBytes } from './one-time-password.ts';
import { unlessAborted } from './waiting.ts';

/** A bound connection, and where in the directory it works. */
export interface Session {
  readonly connection: Connection;
  /** The domain's DNS name, in lower case. */
  readonly domain: string;
  /** Distinguished name of the organizational unit, as the directory spells it. */
  readonly organizationalUnit: string;
  /** What it was bound with. */
  readonly binding: Binding;
}

interface ControllersOptions {
  /** `host` or `host:port`; without them they are found through DNS. */
  readonly controllers: readonly string[] | undefined;
  /** The site whose controllers come first, of those that DNS names. */
  readonly site: string | undefined;
  readonly caFile: string | undefined;
  readonly connectTimeoutMs: number;
  readonly operationTimeoutMs: number;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly resolveSrv: (name: string) => Promise<readonly SrvRecord[]>;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

type Work<T> = (session: Session) => Promise<T>;

/** Once on the connection that may have gone stale, once on a fresh one. */
const TRIES_PER_CONTROLLER = 2;

/**
 * How long the work stays with a controller of another site after a failover. Shorter, and a site that is down would
 * cost its time-outs again and again; longer, and a site that is back would stand idle.
 */
const AWAY_MS = 300_000;

async function findOrganizationalUnit(
  connection: Connection,
  dn: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    const [unit] = await connection.search(
      { base: dn, scope: 'base', attributes: ['distinguishedName'] },
      signal,
    );
    if (unit) return unit.dn;
  } catch (error) {
    // All controllers of a domain hold the same of it, and refer to others for what is not in it.
    if (!isResult(error, Result.noSuchObject, Result.invalidDnSyntax) && !isReferral(error)) throw error;
  }
  throw new AdjoinError(
    'organizational-unit-missing',
    `${connection.controller} has no organizational unit ${dn}.`,
  );
}

export class Controllers {
  readonly #options: ControllersOptions;
  readonly #gate: BindGate;
  /** Open or being opened, by endpoint. */
  readonly #sessions = new Map<string, Promise<Session>>();
  readonly #lost = new WeakSet<Session>();
  readonly #closing = new AbortController();
  /** The endpoint that served last: staying with it spares a timeout for each one that is down. */
  #preferred: { readonly endpoint: Endpoint; readonly until: number } | undefined;
  /** The controllers that are configured, or that DNS named last. */
  #known: readonly Endpoint[];
  /** The endpoints that DNS named for our site when it was last asked. */
  #inSite: ReadonlySet<string> = new Set();

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.#known = (options.controllers ?? []).map(parseEndpoint);
    this.#gate = new BindGate(options.credentials, options.clock, options.log);
  }

  /**
   * Does the work on any controller; when one fails in the middle, again from the start on a fresh connection and then
   * on the next one, so the work must bear being done twice.
   * @param first host name of the controller to try before all others
   * @throws AdjoinError
   */
  async onAny<T>(work: Work<T>, signal: AbortSignal, first?: string): Promise<T> {
    const failures: ControllerFailure[] = [];
    const tried = new Set<string>();
    for (const endpoint of first === undefined ? [] : await this.#endpointsFor(first)) {
      const outcome = await this.#attempt(endpoint, work, signal, failures, first);
      if (outcome === 'another controller') continue;
      if (outcome) return outcome.value;
      tried.add(endpointName(endpoint));
    }
    for await (const endpoint of this.#candidates(signal, failures)) {
      if (tried.has(endpointName(endpoint))) continue;
      const outcome = await this.#attempt(endpoint, work, signal, failures);
      if (!outcome || outcome === 'another controller') continue;
      this.#prefer(endpoint);
      return outcome.value;
    }
    throw noController(failures);
  }

  /**
   * Does the work on the controller with this host name and no other.
   * @throws AdjoinError
   */
  async onOne<T>(controller: string, work: Work<T>, signal: AbortSignal): Promise<T> {
    const failures: ControllerFailure[] = [];
    for (const endpoint of await this.#endpointsFor(controller)) {
      const outcome = await this.#attempt(endpoint, work, signal, failures, controller);
      if (outcome === 'another controller') {
        failures.push(new ControllerFailure('declined', endpointName(endpoint), `is not ${controller}`));
      } else if (outcome) {
        return outcome.value;
      }
    }
    throw noController(failures);
  }

  async close(): Promise<void> {
    this.#closing.abort(new AdjoinError('draining', 'The directory is being closed.'));
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    const opened = await Promise.allSettled(sessions);
    for (const session of opened) if (session.status === 'fulfilled') session.value.connection.close();
  }

  #prefer(endpoint: Endpoint): void {
    const name = endpointName(endpoint);
    if (this.#preferred && endpointName(this.#preferred.endpoint) === name) return;
    const away = this.#inSite.size > 0 && !this.#inSite.has(name);
    this.#preferred = { endpoint, until: away ? this.#options.clock.now() + AWAY_MS : Infinity };
  }

  async *#candidates(signal: AbortSignal, failures: ControllerFailure[]): AsyncGenerator<Endpoint> {
    if (this.#preferred && this.#preferred.until <= this.#options.clock.now()) this.#preferred = undefined;
    const preferred = this.#preferred?.endpoint;
    if (preferred) yield preferred;
    for (const endpoint of await this.#endpoints(signal, failures)) {
      if (!preferred || endpointName(endpoint) !== endpointName(preferred)) yield endpoint;
    }
  }

  async #endpoints(signal: AbortSignal, failures: ControllerFailure[]): Promise<readonly Endpoint[]> {
    const { controllers, site } = this.#options;
    if (controllers) return this.#known;
    const domain = await this.#gate.domain(signal);
    const [near, all] = await Promise.all([
      site === undefined ? [] : this.#lookUp(siteRecord(site, domain), signal, failures),
      this.#lookUp(controllersRecord(domain), signal, failures),
    ]);
    this.#inSite = new Set(near.map(endpointName));
    const found = [...near, ...all.filter((endpoint) => !this.#inSite.has(endpointName(endpoint)))];
    this.#known = found;
    return found;
  }

  /** Whether the domain has other controllers than this one. Where nobody knows, it may. */
  async #hasOthers(endpoint: Endpoint): Promise<boolean> {
    // One that the ledger named is connected to before DNS was asked.
    const known = this.#known.length > 0 ? this.#known : await this.#endpoints(this.#closing.signal, []);
    const isOnly = known.length > 0 && known.every((one) => endpointName(one) === endpointName(endpoint));
    return !isOnly;
  }

  async #lookUp(record: string, signal: AbortSignal, failures: ControllerFailure[]): Promise<Endpoint[]> {
    const { resolveSrv, randomBytes } = this.#options;
    try {
      return inSrvOrder(await unlessAborted(resolveSrv(record), signal), randomBytes);
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = new ControllerFailure('unreachable', record, `DNS: ${reasonOf(error)}`);
      failures.push(failure);
      this.#warn(failure);
      return [];
    }
  }

  /** A host name reaches a configured endpoint by another name or a port of its own: those are asked who they are. */
  async #endpointsFor(controller: string): Promise<Endpoint[]> {
    const open: Endpoint[] = [];
    const configured = this.#options.controllers?.map(parseEndpoint) ?? [
      { host: controller, port: LDAPS_PORT },
    ];
    for (const endpoint of configured) {
      if (endpoint.host === controller.toLowerCase()) return [endpoint];
      const session = await this.#sessions.get(endpointName(endpoint))?.catch(() => undefined);
      if (session?.connection.controller === controller.toLowerCase()) open.push(endpoint);
    }
    return open.length > 0 ? open : configured;
  }

  async #attempt<T>(
    endpoint: Endpoint,
    work: Work<T>,
    signal: AbortSignal,
    failures: ControllerFailure[],
    wanted?: string,
  ): Promise<{ readonly value: T } | 'another controller' | undefined> {
    for (let tries = 0; tries < TRIES_PER_CONTROLLER; tries += 1) {
      let session: Session | undefined;
      try {
        session = await unlessAborted(this.#session(endpoint), signal);
        if (wanted !== undefined && session.connection.controller !== wanted.toLowerCase()) {
          return 'another controller';
        }
        return { value: await work(session) };
      } catch (error) {
        if (!(error instanceof ControllerFailure)) throw toAdjoinError(error);
        failures.push(error);
        if (session) this.#noteFailure(session, error);
        if (error.kind !== 'lost') return undefined;
      }
    }
    return undefined;
  }

  /** A connection carries many requests; its loss is told once. */
  #noteFailure(session: Session, failure: ControllerFailure): void {
    if (failure.kind === 'lost' && this.#lost.has(session)) return;
    this.#lost.add(session);
    this.#warn(failure);
  }

  #warn(failure: ControllerFailure): void {
    this.#options.log.warn('a domain controller failed', { kind: failure.kind, reason: failure.message });
  }

  /**
   * The usable session of an endpoint; without one, opens it, once for all who ask. One that works for another account or
   * in another place than the secret names now is closed at once: what is under way on it begins anew on the fresh one.
   */
  async #session(endpoint: Endpoint): Promise<Session> {
    this.#closing.signal.throwIfAborted();
    await this.#gate.look(this.#closing.signal);
    const name = endpointName(endpoint);
    const known = this.#sessions.get(name);
    if (known) {
      const session = await known;
      if (session.connection.usable) {
        if (this.#gate.isPresent(session.binding)) return session;
        // Should something be under way on it, that is lost by nobody's failure.
        this.#lost.add(session);
      }
      session.connection.close();
      // Others may have come to the same conclusion, and be further.
      if (this.#sessions.get(name) !== known) return this.#session(endpoint);
    }
    const opening = this.#open(endpoint);
    this.#sessions.set(name, opening);
    opening.catch((error: unknown) => {
      if (error instanceof ControllerFailure) this.#warn(error);
      if (this.#sessions.get(name) === opening) this.#sessions.delete(name);
    });
    return opening;
  }

  async #open(endpoint: Endpoint): Promise<Session> {
    const { signal } = this.#closing;
    const ca = await this.#readCa();
    const connection = await Connection.open(endpoint, { ...this.#options, ca }, signal);
    try {
      const others = (): Promise<boolean> => this.#hasOthers(endpoint);
      const binding = await this.#gate.bind(connection, others, signal);
      // What it shows may be old, and what it lacks may exist: no controller to work on, not even for reading.
      if (await connection.isReadOnly(signal)) {
        throw new ControllerFailure('declined', connection.name, 'is a read-only domain controller');
      }
      const unit = await findOrganizationalUnit(connection, binding.organizationalUnit, signal);
      return { connection, domain: binding.domain, organizationalUnit: unit, binding };
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Read at each connection, so that a renewed CA needs no restart. */
  async #readCa(): Promise<string | undefined> {
    const { caFile } = this.#options;
    if (caFile === undefined) return undefined;
    try {
      return await readFile(caFile, 'utf8');
    } catch (error) {
      // Without it nothing could be verified.
      throw new ControllerFailure('untrusted', caFile, `the CA file can't be read (${reasonOf(error)})`);
    }
  }
}
