/** The parts of the Digital Bazaar credential libraries that are used here and in tests; they ship no types. */

declare module "@digitalbazaar/vc" {
  export type DocumentLoader = (url: string) => Promise<{ contextUrl: null; documentUrl: string; document: object }>;

  /** What jsonld-signatures asks of a suite that verifies. */
  export interface ProofSuite {
    matchProof(options: { proof: object }): Promise<boolean>;
    verifyProof(options: {
      proof: object;
      document: object;
    }): Promise<{ verified: true; verificationMethod: { id: string; controller: string } }>;
  }

  export function issue(options: {
    credential: object;
    suite: object;
    documentLoader?: DocumentLoader;
  }): Promise<Record<string, unknown>>;

  export function verifyCredential(options: {
    credential: object;
    suite: object;
    documentLoader: DocumentLoader;
    now: Date;
    maxClockSkew: number;
    checkStatus?: (options: object) => Promise<{ verified: boolean }>;
  }): Promise<{ verified: boolean; error?: Error & { errors?: Error[] } }>;
}

declare module "@digitalbazaar/vc-bitstring-status-list" {
  export class BitstringStatusList {
    /** Reads all of the ArrayBuffer below `buffer`, whatever part of it `buffer` shows. */
    constructor(options: { length: number } | { buffer: Uint8Array });
    readonly length: number;
    getStatus(index: number): boolean;
    setStatus(index: number, status: boolean): void;
    encode(): Promise<string>;
  }

  export function createCredential(options: {
    id: string;
    list: BitstringStatusList;
    statusPurpose: string;
    context?: string[];
  }): Promise<Record<string, unknown>>;
}
