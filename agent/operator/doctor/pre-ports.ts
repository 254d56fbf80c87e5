/** What `adjoin doctor --pre` looks at: what is said of a deployment, and the account and the network that it is for. Only reads. */
import type { Endpoint, Subnet } from '../deploy/ports.ts';

export interface VpcFacts {
  readonly dnsSupport: boolean;
  readonly dnsHostnames: boolean;
}

export interface WayOut {
  readonly subnetId: string;
  /** The internet gateway that its route table leads to. */
  readonly gateway: string | undefined;
}

export interface PrePorts {
  /** Settings and parameters without a default that nobody has said, and that were not found. */
  readonly missing: readonly string[];
  /** What was seen where something was not found. */
  readonly notes: readonly string[];
  /** Values that the template does not take. */
  readonly faults: readonly string[];
  /** Values that contradict each other. */
  readonly contradictions: readonly string[];
  /** The value that a parameter will have: said, found or by default; empty where there is none. */
  readonly wanted: (parameter: string) => string;
  readonly region: string;
  readonly bucket: string | undefined;
  readonly identity: (signal: AbortSignal) => Promise<{
    readonly account: string;
    readonly arn: string;
    readonly skewMs: number | undefined;
  }>;
  /** Status of the stack with the deployment's name; nothing when there is none. */
  readonly stackStatus: (signal: AbortSignal) => Promise<string | undefined>;
  /** Region of the bucket; nothing when there is no such bucket. */
  readonly bucketRegion: (bucket: string, signal: AbortSignal) => Promise<string | undefined>;
  readonly vpc: (vpcId: string, signal: AbortSignal) => Promise<VpcFacts | undefined>;
  /** Servers that the VPC's DHCP options name: addresses, or `AmazonProvidedDNS`. */
  readonly nameServers: (vpcId: string, signal: AbortSignal) => Promise<readonly string[]>;
  readonly subnets: (vpcId: string, signal: AbortSignal) => Promise<readonly Subnet[]>;
  readonly waysOut: (
    vpcId: string,
    subnetIds: readonly string[],
    signal: AbortSignal,
  ) => Promise<readonly WayOut[]>;
  readonly endpoints: (vpcId: string, signal: AbortSignal) => Promise<readonly Endpoint[]>;
  readonly prefixList: (service: 's3' | 'dynamodb', signal: AbortSignal) => Promise<string | undefined>;
  /** As it was said; nothing when it was not. */
  readonly domain: string | undefined;
  /** Names of the controllers that are configured, or that DNS here names for the domain. */
  readonly controllers: (domain: string, signal: AbortSignal) => Promise<readonly string[]>;
  /** Opens a TLS connection, verifies the chain, and reads the root entry. */
  readonly reach: (controller: string, signal: AbortSignal) => Promise<void>;
}
