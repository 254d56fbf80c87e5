/** When an instance came, served and went, as the cloud saw it; milliseconds since the epoch. */
export interface Life {
  readonly instanceId: string;
  readonly group: string;
  readonly launchedAt: number;
  /** Its SSM agent registered it: it could be sent commands. */
  onlineAt?: number;
  /** Its launch was answered with CONTINUE. */
  continuedAt?: number;
  inServiceAt?: number;
  leavingAt?: number;
  /** Its termination was answered. */
  releasedAt?: number;
  goneAt?: number;
}
