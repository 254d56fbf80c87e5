/**
 * One TLS connection to one domain controller. ldapts reconnects by itself, and then speaks without being bound;
 * here the socket is made first and handed over once, so that a connection which is gone stays gone.
 */
import type { X509Certificate } from 'node:crypto';
import { Change, Client, type Control, type Filter, type SearchOptions } from 'ldapts';
import type { Clock } from '../clock.ts';
import { attributes, Row, type AttributeValues } from './entries.ts';
import { ControllerFailure, fromLdapts } from './failures.ts';
import { connectTls, endpointName, type Endpoint, type Wire } from './tls.ts';
import { Slots, within } from './waiting.ts';

interface ConnectionOptions {
  /** PEM of the CA to trust; the system's CAs when there is none. */
  readonly ca: string | undefined;
  readonly connectTimeoutMs: number;
  /** Longest wait for the answer to one request, or for one page of it; after it the connection is given up. */
  readonly operationTimeoutMs: number;
  readonly clock: Clock;
}

interface Query {
  readonly base: string;
  readonly scope: 'base' | 'one' | 'sub';
  readonly filter?: Filter;
  readonly attributes: readonly string[];
  /** Attributes whose values are bytes, in the schema's spelling. */
  readonly binary?: readonly string[];
  /** What is asked along with it. */
  readonly controls?: readonly Control[];
}

const optionsOf = ({ scope, filter, attributes: names, binary = [] }: Query): SearchOptions => ({
  scope,
  attributes: [...names],
  explicitBufferAttributes: [...binary],
  ...(filter ? { filter } : {}),
});

/** ldapts throws a TypeError on an answer of another kind than a search's: a failure of the server that sent it. */
async function searched<T>(controller: string, search: Promise<T>): Promise<T> {
  try {
    return await search;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ControllerFailure('lost', controller, `search: ${error.message}`);
  }
}

/**
 * LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID (MS-ADTS 3.1.1.3.4.3): only a read-only controller names it. Samba's does
 * not, see `isReadOnly`.
 */
const READ_ONLY = '1.2.840.113556.1.4.1920';

/**
 * Requests under way on one connection. Controllers work a connection's writes off one after the other, so more in
 * flight are not faster; they would only wait at the far end, where the time-out runs.
 */
const IN_FLIGHT = 8;

/** AD answers at most 1000 entries a page (MaxPageSize). Each page is waited for as long as any other answer. */
const PAGE = 500;

/** More than any organizational unit holds: a server that sends more does not come to an end. */
const MOST_ROWS = 500_000;

/** How a change is made. */
export interface Write {
  readonly signal: AbortSignal;
  /** Called, and waited for, once it is this request's turn: nothing but its sending comes after it. */
  readonly before: () => Promise<void>;
}

export class Connection {
  /** Where it was opened to. */
  readonly name: string;
  /** The controller's own fully qualified host name. */
  readonly controller: string;
  /** Distinguished name of the domain. */
  readonly baseDn: string;
  /** Distinguished name of the entry with this controller's own settings. */
  readonly settingsDn: string | undefined;
  /** The partitions that this controller holds. */
  readonly partitions: readonly string[];
  /** Verified: an authority that we trust issued it, for the host that was connected to. */
  readonly certificate: X509Certificate;
  readonly #client: Client;
  readonly #wire: Wire;
  readonly #options: ConnectionOptions;
  readonly #slots = new Slots(IN_FLIGHT);

  private constructor(name: string, client: Client, wire: Wire, options: ConnectionOptions, root: Row) {
    this.name = name;
    this.#client = client;
    this.#wire = wire;
    this.#options = options;
    this.controller = (root.text('dnsHostName') ?? '').toLowerCase();
    this.baseDn = root.text('defaultNamingContext') ?? '';
    this.settingsDn = root.text('dsServiceName');
    this.partitions = root.texts('namingContexts');
    this.certificate = wire.certificate;
  }

  /**
   * Connects and reads the root entry, which AD shows to anybody; nothing is bound yet.
   * @throws ControllerFailure
   */
  static async open(
    endpoint: Endpoint,
    options: ConnectionOptions,
    signal: AbortSignal,
  ): Promise<Connection> {
    const name = endpointName(endpoint);
    const wire = await connectTls(endpoint, options, signal);
    let given = false;
    const client = new Client({
      url: 'ldaps://given',
      createSecureConnection: () => {
        if (given) throw new ControllerFailure('lost', name, 'the connection is closed');
        given = true;
        return wire.tls;
      },
    });
    try {
      const names = [
        'dnsHostName',
        'dsServiceName',
        'defaultNamingContext',
        'namingContexts',
        'supportedCapabilities',
      ];
      const answer = searched(name, client.search('', { scope: 'base', attributes: names }));
      const late = (): Error => new ControllerFailure('unreachable', name, 'does not answer');
      const { searchEntries } = await within(options.operationTimeoutMs, answer, options.clock, signal, late);
      const root = new Row(searchEntries[0] ?? { dn: '' });
      if (!root.text('dnsHostName') || !root.text('defaultNamingContext')) {
        throw new ControllerFailure('unreachable', name, 'is not a domain controller');
      }
      if (root.texts('supportedCapabilities').includes(READ_ONLY)) {
        throw new ControllerFailure('declined', name, 'is a read-only domain controller');
      }
      return new Connection(name, client, wire, options, root);
    } catch (error) {
      wire.tcp.destroy();
      throw signal.aborted ? signal.reason : fromLdapts(error, 'read the root entry', name);
    }
  }

  get usable(): boolean {
    // The client notices only when the socket's 'close' event comes.
    return this.#client.isBound && !this.#wire.tcp.destroyed && !this.#wire.tls.destroyed;
  }

  /** @throws LdapResult (49 when the credential is refused), ControllerFailure */
  async bind(user: string, password: string, signal: AbortSignal): Promise<void> {
    await this.#request('bind', signal, () => this.#client.bind(user, password));
  }

  /** Whether the controller's settings say that it is read-only. @throws LdapResult, ControllerFailure */
  async isReadOnly(signal: AbortSignal): Promise<boolean> {
    if (this.settingsDn === undefined) return false;
    const [settings] = await this.search(
      { base: this.settingsDn, scope: 'base', attributes: ['msDS-isRODC'] },
      signal,
    );
    return settings?.text('msDS-isRODC') === 'TRUE';
  }

  /** @throws LdapResult, ControllerFailure */
  async search(query: Query, signal: AbortSignal): Promise<Row[]> {
    if (query.scope !== 'base') {
      const rows: Row[] = [];
      for await (const page of this.pages(query, signal)) for (const row of page) rows.push(row);
      return rows;
    }
    const options = optionsOf(query);
    const controls = [...(query.controls ?? [])];
    const found = await this.#request('search', signal, () =>
      searched(this.name, this.#client.search(query.base, options, controls)),
    );
    return found.searchEntries.map((entry) => new Row(entry));
  }

  /**
   * As `search`, page by page, each asked for when it is wanted: what is found may be more than memory should hold.
   * @throws LdapResult, ControllerFailure
   */
  async *pages(query: Query, signal: AbortSignal): AsyncGenerator<Row[], void, undefined> {
    const paged = { ...optionsOf(query), paged: { pageSize: PAGE } };
    const pages = this.#client.searchPaginated(query.base, paged, [...(query.controls ?? [])]);
    /** The first name of each page: one that comes again shows that there is no end. All names would be as many as the entries. */
    const seen = new Set<string>();
    for (let rows = 0; ;) {
      const page = await this.#request('search', signal, () => searched(this.name, pages.next()));
      if (page.done) return;
      const { searchEntries } = page.value;
      const first = searchEntries[0]?.dn;
      const isNew = first === undefined || !seen.has(first);
      // An empty page counts, too: there could be one after the other.
      rows += Math.max(searchEntries.length, 1);
      if (!isNew || rows - searchEntries.length > MOST_ROWS) {
        this.close();
        throw new ControllerFailure('lost', this.name, 'search: page after page without an end');
      }
      if (first !== undefined) seen.add(first);
      yield searchEntries.map((entry) => new Row(entry));
    }
  }

  /** @throws LdapResult, ControllerFailure, and what `before` does */
  async add(dn: string, values: AttributeValues, write: Write): Promise<void> {
    await this.#write(`add ${dn}`, write, () => this.#client.add(dn, attributes(values)));
  }

  /** Replaces the values of the given attributes. @throws LdapResult, ControllerFailure, and what `before` does */
  async replace(dn: string, values: AttributeValues, write: Write): Promise<void> {
    const changes = attributes(values).map(
      (modification) => new Change({ operation: 'replace', modification }),
    );
    await this.#write(`modify ${dn}`, write, () => this.#client.modify(dn, changes));
  }

  /** @throws LdapResult, ControllerFailure, and what `before` does */
  async remove(dn: string, write: Write, control?: Control): Promise<void> {
    await this.#write(`delete ${dn}`, write, () => this.#client.del(dn, control));
  }

  /**
   * Ends the connection, and takes back what has not arrived. Without the reset the kernel would send a request that was
   * given up for as long as it takes, and a password that is set late undoes one that was set meanwhile, elsewhere.
   */
  close(): void {
    // An UnbindRequest has no answer, and nothing depends on it.
    this.#wire.tcp.resetAndDestroy();
    this.#wire.tls.destroy();
  }

  #write(operation: string, { signal, before }: Write, send: () => Promise<void>): Promise<void> {
    return this.#slots.use(signal, async () => {
      await before();
      await this.#answered(operation, signal, send);
    });
  }

  #request<T>(operation: string, signal: AbortSignal, send: () => Promise<T>): Promise<T> {
    return this.#slots.use(signal, () => this.#answered(operation, signal, send));
  }

  async #answered<T>(operation: string, signal: AbortSignal, send: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const { operationTimeoutMs, clock } = this.#options;
    const silence = `no answer within ${operationTimeoutMs} ms`;
    const late = (): Error => new ControllerFailure('lost', this.name, `${operation}: ${silence}`);
    try {
      return await within(operationTimeoutMs, send(), clock, signal, late);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const failure = fromLdapts(error, operation, this.name);
      // Later requests would fail as well, and a late answer would belong to no request.
      if (failure instanceof ControllerFailure && failure.kind === 'lost') this.close();
      throw failure;
    }
  }
}
