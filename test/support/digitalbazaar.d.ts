/** The parts of the Digital Bazaar libraries that the interoperability tests use; they ship no types. */

interface DigitalBazaarKeyPair {
  id: string;
  controller: string;
  publicKeyMultibase: string;
  signer(): unknown;
  export(options: {
    publicKey: boolean;
    secretKey?: boolean;
    includeContext?: boolean;
  }): Promise<Record<string, unknown>>;
}

declare module "@digitalbazaar/ed25519-multikey" {
  export function generate(options?: { seed?: Uint8Array; controller?: string }): Promise<DigitalBazaarKeyPair>;
  export function from(key: object): Promise<DigitalBazaarKeyPair>;
}

declare module "@digitalbazaar/ecdsa-multikey" {
  export function generate(options: { curve: "P-256" | "P-384"; controller?: string }): Promise<DigitalBazaarKeyPair>;
  export function from(key: object): Promise<DigitalBazaarKeyPair>;
}

declare module "@digitalbazaar/eddsa-jcs-2022-cryptosuite" {
  export function createSignCryptosuite(): object;
  export function createVerifyCryptosuite(): object;
}

declare module "@digitalbazaar/ecdsa-jcs-2019-cryptosuite" {
  export function createSignCryptosuite(): object;
  export function createVerifyCryptosuite(): object;
}

declare module "@digitalbazaar/data-integrity" {
  export const DataIntegrityProof: new (options: {
    signer?: unknown;
    date?: string | Date;
    cryptosuite: object;
  }) => object;
}

declare module "jsonld-signatures" {
  interface SignaturesOptions {
    suite: object;
    purpose: object;
    documentLoader: (url: string) => Promise<{ contextUrl: null; documentUrl: string; document: object }>;
  }
  const signatures: {
    purposes: { AssertionProofPurpose: new () => object };
    sign(document: object, options: SignaturesOptions): Promise<Record<string, unknown>>;
    verify(
      document: object,
      options: SignaturesOptions,
    ): Promise<{ verified: boolean; error?: Error & { errors?: Error[] } }>;
  };
  export default signatures;
}
