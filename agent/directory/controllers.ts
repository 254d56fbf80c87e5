/**
 * The domain controllers: which there are, in which order they are tried, and going on with the next one when one fails.
 */
import type { SrvRecord } from 'node:dns';
import type { Clock } from '../clock.ts';
import { AdjoinError, reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { BindGate } from './bind-gate.ts';
import type { CredentialSource } from './credential.ts';
import { controllersRecord, inSrvOrder, LDAPS_PORT, parseEndpoint, siteRecord } from './discovery.ts';
import { ControllerFailure, noController, toAdjoinError } from './failures.ts';
import type { RandomBytes } from './one-time-password.ts';
import { OwnSite } from './own-site.ts';
import { Sessions, type Session } from './sessions.ts';
import { endpointName, type Endpoint } from './tls.ts';
import { unlessAborted } from './waiting.ts';

interface ControllersOptions {
  /** `host` or `host:port`; without them they are found through DNS. */
  readonly controllers: readonly string[] | undefined;
  /** The site whose controllers come first, of those that DNS names; without it, the one that a controller takes us for. */
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

export class Controllers {
  readonly #options: ControllersOptions;
  readonly #gate: BindGate;
  readonly #sessions: Sessions;
  readonly #ownSite: OwnSite;
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
    this.#sessions = new Sessions({
      ...options,
      pinned: options.controllers !== undefined,
      gate: this.#gate,
      hasOthers: (endpoint) => this.#hasOthers(endpoint),
      closing: this.#closing.signal,
    });
    this.#ownSite = new OwnSite({
      clock: options.clock,
      closing: this.#closing.signal,
      controllersOf: (site, domain) => this.#controllersOf(site, domain),
      onFound: (site, controllers) => this.#settleIn(site, controllers),
    });
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

  /**
   * The domain that work is done in: that of the open connections, if there are any, also while the secret names a version
   * that is of no use.
   * @throws AdjoinError `credential-*`, `secret-*`
   */
  async domain(signal: AbortSignal): Promise<string> {
    const { inUse } = this.#gate;
    if (inUse && this.#sessions.areUsable()) return inUse.domain;
    return (await this.#options.credentials.current(signal)).domain;
  }

  /**
   * Tries this version of the credential by a bind of its own, unless it is in use already. The connections that serve go on
   * meanwhile; the one to the controller that accepts it gives its place to the new one. Repeating it makes no bind that the
   * gate does not allow.
   * @throws AdjoinError `credential-*`, `secret-*`, `organizational-unit-missing`, `directory-*`
   */
  async tryCredential(versionId: string, signal: AbortSignal): Promise<void> {
    if (this.#gate.inUse?.versionId === versionId) return;
    const failures: ControllerFailure[] = [];
    for await (const endpoint of this.#candidates(signal, failures)) {
      try {
        await unlessAborted(this.#sessions.renew(endpoint), signal);
        return;
      } catch (error) {
        if (!(error instanceof ControllerFailure)) throw toAdjoinError(error);
        failures.push(error);
      }
    }
    throw noController(failures);
  }

  async close(): Promise<void> {
    this.#closing.abort(new AdjoinError('draining', 'The directory is being closed.'));
    await this.#sessions.close();
    await this.#ownSite.settled();
  }

  get #findsSite(): boolean {
    return this.#options.controllers === undefined && this.#options.site === undefined;
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
    if (this.#options.controllers) return this.#known;
    const domain = await this.#gate.domain(signal);
    const [near, all] = await Promise.all([
      this.#nearest(domain, signal, failures),
      this.#lookUp(controllersRecord(domain), signal, failures),
    ]);
    this.#inSite = new Set(near.map(endpointName));
    const found = [...near, ...all.filter((endpoint) => !this.#inSite.has(endpointName(endpoint)))];
    this.#known = found;
    return found;
  }

  /** Those of the site that is configured, or that we found. */
  async #nearest(domain: string, signal: AbortSignal, failures: ControllerFailure[]): Promise<Endpoint[]> {
    const { site } = this.#options;
    if (site !== undefined) return this.#lookUp(siteRecord(site, domain), signal, failures);
    const own = this.#ownSite.in(domain);
    if (own === undefined) return [];
    const named = await this.#namedFor(own, domain, signal);
    return named.filter((endpoint) => this.#sessions.isListed(endpoint, domain));
  }

  /** None when there is no record any more: nobody said that there is one, so it is no failure. */
  async #namedFor(site: string, domain: string, signal: AbortSignal): Promise<Endpoint[]> {
    const { resolveSrv, randomBytes } = this.#options;
    try {
      return inSrvOrder(await unlessAborted(resolveSrv(siteRecord(site, domain)), signal), randomBytes);
    } catch (error) {
      if (signal.aborted) throw error;
      return [];
    }
  }

  /**
   * Most zones let every member register records under a site without controllers. Such a host would get no logon, but each
   * connection to it would cost time. So of a site that nobody configured, only hosts count that a proven controller lists.
   */
  async #controllersOf(site: string, domain: string): Promise<Endpoint[]> {
    const named = await this.#namedFor(site, domain, this.#closing.signal);
    const isListed = (endpoint: Endpoint): boolean => this.#sessions.isListed(endpoint, domain);
    if (!named.every(isListed)) await this.#sessions.relist();
    return named.filter(isListed);
  }

  /** From now on the controllers of our own site serve, unless they are known to be down. */
  #settleIn(site: string, controllers: readonly Endpoint[]): void {
    this.#inSite = new Set(controllers.map(endpointName));
    const preferred = this.#preferred;
    if (!preferred || preferred.until < Infinity || this.#inSite.has(endpointName(preferred.endpoint)))
      return;
    this.#preferred = undefined;
    this.#options.log.info('going over to the domain controllers of the own site', {
      site,
      controllers: controllers.map(endpointName),
    });
  }

  /** Whether the domain has other controllers than this one. Where that is unknown, it may have. */
  async #hasOthers(endpoint: Endpoint): Promise<boolean> {
    // One that the ledger named is connected to before DNS was asked.
    const known = this.#known.length > 0 ? this.#known : await this.#endpoints(this.#closing.signal, []);
    const possible = known.filter((one) => this.#sessions.mayBeController(one));
    return possible.length === 0 || possible.some((one) => endpointName(one) !== endpointName(endpoint));
  }

  async #lookUp(record: string, signal: AbortSignal, failures: ControllerFailure[]): Promise<Endpoint[]> {
    const { resolveSrv, randomBytes } = this.#options;
    try {
      return inSrvOrder(await unlessAborted(resolveSrv(record), signal), randomBytes);
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = new ControllerFailure('unreachable', record, `DNS: ${reasonOf(error)}`);
      failures.push(failure);
      this.#options.log.warn('a domain controller failed', { kind: failure.kind, reason: failure.message });
      return [];
    }
  }

  /** A configured endpoint may have another name, or a port of its own, for this controller: its root entry says which it is. */
  async #endpointsFor(controller: string): Promise<Endpoint[]> {
    const open: Endpoint[] = [];
    const configured = this.#options.controllers?.map(parseEndpoint) ?? [
      { host: controller, port: LDAPS_PORT },
    ];
    for (const endpoint of configured) {
      if (endpoint.host === controller.toLowerCase()) return [endpoint];
      const session = await this.#sessions.known(endpoint);
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
      try {
        return await this.#sessions.during(endpoint, signal, async (session) => {
          const isOther = wanted !== undefined && session.connection.controller !== wanted.toLowerCase();
          if (isOther) return 'another controller';
          const value = await work(session);
          if (this.#findsSite) this.#ownSite.ask(session);
          return { value };
        });
      } catch (error) {
        if (!(error instanceof ControllerFailure)) throw toAdjoinError(error);
        failures.push(error);
        if (error.kind !== 'lost') return undefined;
      }
    }
    return undefined;
  }
}
