/** Where the emulated account is. */
export interface Place {
  readonly region: string;
  readonly accountId: string;
}

/** The ARN of a resource of this account and Region. */
export function arn(place: Place, service: string, resource: string): string {
  return `arn:aws:${service}:${place.region}:${place.accountId}:${resource}`;
}
