/**
 * The site that the worker stands in, where the configuration does not say: a controller tells it, as it tells every client, and
 * DNS names the controllers of the site.
 *
 *   unknown ──a proven controller names a site, and DNS a controller of it──▶ known
 *   known ──it names another one──▶ known        known ──none, one without controllers, or no answer──▶ unknown
 *
 * Nothing waits for any of this: while the site is unknown, the controllers of the whole domain are used.
 */
import type { Clock } from '../clock.ts';
import type { Connection } from './connection.ts';
import { readSite } from './netlogon.ts';
import type { Endpoint } from './tls.ts';

/**
 * Milliseconds after which a controller is asked again, for subnets and sites change. As long as a Windows client stays with a
 * controller of another site before it asks (Netlogon's `CloseSiteTimeout`).
 */
const AGE_MS = 15 * 60_000;

interface OwnSiteOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** Aborts when nothing is asked any more. */
  readonly closing: AbortSignal;
  /** The controllers that DNS names for a site, and a proven controller lists. */
  readonly controllersOf: (site: string, domain: string) => Promise<readonly Endpoint[]>;
  /** Told of each answer that names a site with controllers. */
  readonly onFound: (site: string, controllers: readonly Endpoint[]) => void;
}

/** A bound connection to a proven controller of this domain. */
interface Asked {
  readonly connection: Pick<Connection, 'search'>;
  readonly domain: string;
}

export class OwnSite {
  readonly #options: OwnSiteOptions;
  #known: { readonly site: string; readonly domain: string } | undefined;
  #asked: { readonly domain: string; readonly at: number } | undefined;
  #asking: Promise<void> = Promise.resolve();

  constructor(options: OwnSiteOptions) {
    this.#options = options;
  }

  /** Our site in this domain; nothing while it is unknown. */
  in(domain: string): string | undefined {
    return this.#known?.domain === domain ? this.#known.site : undefined;
  }

  /** Asks a controller, if it is time to. Nobody waits for the answer. */
  ask({ connection, domain }: Asked): void {
    const now = this.#options.clock.now();
    if (this.#asked?.domain === domain && now - this.#asked.at < AGE_MS) return;
    this.#asked = { domain, at: now };
    const find = async (): Promise<void> => {
      const found = await this.#find({ connection, domain }).catch(() => undefined);
      this.#known = found && { site: found.site, domain };
      if (found) this.#options.onFound(found.site, found.controllers);
    };
    // One after the other, so that the last answer counts.
    this.#asking = this.#asking.then(find);
  }

  /** Resolves when no question is under way. */
  async settled(): Promise<void> {
    await this.#asking;
  }

  /** Nothing when there is no site to use. Rejects when controller or DNS do not answer. */
  async #find({
    connection,
    domain,
  }: Asked): Promise<{ readonly site: string; readonly controllers: readonly Endpoint[] } | undefined> {
    const { controllersOf, closing } = this.#options;
    const site = await readSite(connection, domain, closing);
    if (site === undefined) return undefined;
    const controllers = await controllersOf(site, domain);
    return controllers.length > 0 ? { site, controllers } : undefined;
  }
}
