declare module 'dynalite' {
  import type { Server } from 'node:http';

  /** All times in milliseconds. The store is in memory. */
  export default function dynalite(options: {
    createTableMs?: number;
    deleteTableMs?: number;
    updateTableMs?: number;
  }): Server;
}
