/**
 * The bound connections, one to each controller that is in use. All work that waits for the same controller shares one
 * attempt to connect.
 *
 *   opening ──bound, unit found──▶ serving ──lost─────────────────────────────────▶ closed
 *                                     │─────another account or place is in use────▶ closed, and its work begins anew
 *                                     └─────another one takes its place (`renew`)─▶ retired ──its work is done──▶ closed
 */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import { AdjoinError, reasonOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { isSamePlace, type BindGate, type Binding } from './bind-gate.ts';
import { Connection } from './connection.ts';
import { ControllerFailure, isReferral, isResult, Result } from './failures.ts';
import { identifierOf } from './owner.ts';
import { KnownControllers, listControllers, type ControllerList } from './proof.ts';
import { endpointName, type Endpoint } from './tls.ts';
import { unlessAborted } from './waiting.ts';

/** A bound connection, and where in the directory it works. */
export interface Session {
  readonly connection: Connection;
  /** The domain's DNS name, in lower case. */
  readonly domain: string;
  /** Distinguished name of the organizational unit, as the directory spells it. */
  readonly organizationalUnit: string;
  /** The service account's security identifier: what it made, it owns. */
  readonly serviceAccount: string;
  /** What it was bound with. */
  readonly binding: Binding;
}

interface SessionsOptions {
  /** Whether the configuration names the controllers, so that no other host is connected to. */
  readonly pinned: boolean;
  readonly caFile: string | undefined;
  readonly connectTimeoutMs: number;
  readonly operationTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  readonly gate: BindGate;
  /** Whether the domain has other controllers than this one, or may have. */
  readonly hasOthers: (endpoint: Endpoint) => Promise<boolean>;
  /** Aborts when no session is opened any more. */
  readonly closing: AbortSignal;
}

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

export class Sessions {
  readonly #options: SessionsOptions;
  /** Open or being opened, by endpoint. */
  readonly #sessions = new Map<string, Promise<Session>>();
  /** Being opened to take the place of another one. */
  readonly #renewals = new Set<Promise<Session>>();
  /** How many are at work on each. */
  readonly #users = new Map<Session, number>();
  readonly #retired = new Set<Session>();
  /** Those that were opened, but for those that were seen closed. */
  readonly #opened = new Set<Session>();
  /** Those with an end that is in the log already, or that is no failure. */
  readonly #told = new WeakSet<Session>();
  readonly #controllers: KnownControllers;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#controllers = new KnownControllers(options.clock, async () => {
      const session = this.#usable();
      // Of its own domain: the secret may name another one by now.
      return session && this.#readControllers(session.connection, session.domain);
    });
  }

  /**
   * Does the work on the usable session of an endpoint; if there is none, opens one, once for all who ask. It is not closed
   * before the work is done if another one takes its place meanwhile.
   * @param signal ends the wait for the session; the work looks at it itself
   * @throws AdjoinError `credential-*`, `secret-*`, `organizational-unit-missing`; ControllerFailure; LdapResult; and what
   * the work does
   */
  async during<T>(
    endpoint: Endpoint,
    signal: AbortSignal,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const entering = this.#enter(endpoint);
    let session: Session;
    try {
      session = await unlessAborted(entering, signal);
    } catch (error) {
      void entering.then(
        (unwanted) => this.#leave(unwanted),
        () => undefined,
      );
      throw error;
    }
    try {
      return await work(session);
    } catch (error) {
      if (error instanceof ControllerFailure) this.#noteFailure(session, error);
      throw error;
    } finally {
      this.#leave(session);
    }
  }

  /** The session that is open at this endpoint, or will be in a moment. */
  async known(endpoint: Endpoint): Promise<Session | undefined> {
    return this.#sessions.get(endpointName(endpoint))?.catch(() => undefined);
  }

  /** Whether a connection is open that the version in use may go on with. */
  areUsable(): boolean {
    return this.#usable() !== undefined;
  }

  /** Whether this may be a controller of the domain in use: no proven controller has said otherwise. */
  mayBeController({ host }: Endpoint): boolean {
    return this.#options.pinned || this.#controllers.mayHave(host);
  }

  /** Whether a proven controller lists this host among those of the domain. */
  isListed({ host }: Endpoint, domain: string): boolean {
    return this.#controllers.lists(host, domain);
  }

  /** Has a proven controller list the domain's controllers again, unless the list is young. */
  async relist(): Promise<void> {
    await this.#controllers.refresh();
  }

  /**
   * Opens a session with the secret's current version, beside the one that serves, and then puts it in that one's place.
   * The one that served goes on until then; should this fail, it just goes on.
   * @throws AdjoinError `credential-*`, `secret-*`, `organizational-unit-missing`; ControllerFailure; LdapResult
   */
  async renew(endpoint: Endpoint): Promise<Session> {
    this.#options.closing.throwIfAborted();
    const opening = this.#open(endpoint);
    this.#renewals.add(opening);
    try {
      const fresh = await opening;
      if (this.#options.closing.aborted) {
        fresh.connection.close();
        throw this.#options.closing.reason;
      }
      const name = endpointName(endpoint);
      const former = this.#sessions.get(name);
      this.#sessions.set(name, opening);
      void former?.then(
        (session) => this.#retire(session, fresh),
        () => undefined,
      );
      return fresh;
    } finally {
      this.#renewals.delete(opening);
    }
  }

  /** Closes all; waits for those that are being opened. */
  async close(): Promise<void> {
    const sessions = [...this.#sessions.values(), ...this.#renewals];
    this.#sessions.clear();
    const opened = await Promise.allSettled(sessions);
    for (const session of opened) if (session.status === 'fulfilled') session.value.connection.close();
    for (const { connection } of this.#retired) connection.close();
    this.#retired.clear();
  }

  /**
   * The usable session of an endpoint. It counts as in use from here on, and not from the first request: in between it
   * could be closed because another one has taken its place.
   */
  async #enter(endpoint: Endpoint): Promise<Session> {
    this.#options.closing.throwIfAborted();
    const name = endpointName(endpoint);
    const known = this.#sessions.get(name);
    if (known) {
      const session = await known;
      if (session.connection.usable) {
        if (this.#isInPlace(session)) return this.#use(session);
        this.#told.add(session);
      }
      session.connection.close();
      // Others may have come to the same conclusion, and be further.
      if (this.#sessions.get(name) !== known) return this.#enter(endpoint);
    }
    const opening = this.#open(endpoint);
    this.#sessions.set(name, opening);
    opening.catch(() => {
      if (this.#sessions.get(name) === opening) this.#sessions.delete(name);
    });
    return this.#use(await opening);
  }

  #use(session: Session): Session {
    this.#users.set(session, (this.#users.get(session) ?? 0) + 1);
    return session;
  }

  #leave(session: Session): void {
    const left = (this.#users.get(session) ?? 1) - 1;
    if (left > 0) this.#users.set(session, left);
    else this.#users.delete(session);
    if (left === 0 && this.#retired.delete(session)) session.connection.close();
  }

  /** A session carries many requests; its loss is logged once. */
  #noteFailure(session: Session, failure: ControllerFailure): void {
    if (failure.kind === 'lost' && this.#told.has(session)) return;
    this.#told.add(session);
    this.#warn(failure);
  }

  #isInPlace({ binding }: Session): boolean {
    const { inUse } = this.#options.gate;
    return inUse !== undefined && isSamePlace(binding, inUse);
  }

  #retire(former: Session, fresh: Session): void {
    // That it ends from now on is no failure.
    this.#told.add(former);
    // What was begun in another place, or as another account, has to begin anew.
    const mayEnd = this.#users.has(former) && isSamePlace(former.binding, fresh.binding);
    if (mayEnd) this.#retired.add(former);
    else former.connection.close();
  }

  async #open(endpoint: Endpoint): Promise<Session> {
    const { gate, closing, hasOthers, pinned } = this.#options;
    try {
      const ca = await this.#readCa();
      const connection = await Connection.open(endpoint, { ...this.#options, ca }, closing);
      try {
        const candidate = { host: endpoint.host, certificate: connection.certificate };
        const prove = async (domain: string): Promise<void> => {
          if (!pinned) await this.#controllers.prove(candidate, domain);
        };
        const others = (): Promise<boolean> => hasOthers(endpoint);
        const binding = await gate.bind(connection, { prove, others }, closing);
        // What it shows may be old, and what it lacks may exist: no controller to work on, not even for reading.
        if (await connection.isReadOnly(closing)) {
          throw new ControllerFailure('declined', connection.name, 'is a read-only domain controller');
        }
        if (!pinned) this.#controllers.learn(await this.#readControllers(connection, binding.domain));
        const unit = await findOrganizationalUnit(connection, binding.organizationalUnit, closing);
        const serviceAccount = await identifierOf(connection, binding.user, closing);
        gate.use(binding);
        const session = {
          connection,
          domain: binding.domain,
          organizationalUnit: unit,
          serviceAccount,
          binding,
        };
        this.#opened.add(session);
        return session;
      } catch (error) {
        connection.close();
        throw error;
      }
    } catch (error) {
      if (error instanceof ControllerFailure) this.#warn(error);
      throw error;
    }
  }

  #usable(): Session | undefined {
    for (const session of this.#opened) if (!session.connection.usable) this.#opened.delete(session);
    return [...this.#opened].find((session) => this.#isInPlace(session));
  }

  /** Nothing when it can't be read: a connection that is lost shows in the next request. */
  async #readControllers(connection: Connection, domain: string): Promise<ControllerList | undefined> {
    const { clock, closing } = this.#options;
    try {
      return await listControllers(connection, domain, clock.now(), closing);
    } catch (error) {
      if (error instanceof ControllerFailure) return undefined;
      throw error;
    }
  }

  #warn(failure: ControllerFailure): void {
    this.#options.log.warn('a domain controller failed', { kind: failure.kind, reason: failure.message });
  }

  /** Read at each connection, so that a renewed CA needs no restart. */
  async #readCa(): Promise<string | undefined> {
    const { caFile } = this.#options;
    if (caFile === undefined) return undefined;
    // Without it nothing could be verified.
    const useless = (reason: string): Error => new ControllerFailure('untrusted', caFile, reason);
    let text: string;
    try {
      text = await readFile(caFile, 'utf8');
    } catch (error) {
      throw useless(`the CA file can't be read (${reasonOf(error)})`);
    }
    // Windows exports certificates in a binary form by default, and Node passes over what is not PEM.
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw useless('the CA file has no certificate in PEM');
    return text;
  }
}
