export * from "./assessments.ts";
export * from "./federation.ts";
export * from "./identity.ts";
export * from "./journal.ts";
export * from "./jsonpath.ts";
export * from "./registry.ts";
export * from "./search.ts";
export * from "./things.ts";
