import type { Assertion } from "./assertion.ts";
import { events } from "./events.ts";
import { exploration } from "./exploration.ts";
import { introduction } from "./introduction.ts";
import { listing } from "./listing.ts";
import { registration } from "./registration.ts";
import { search } from "./search.ts";
import { security } from "./security.ts";
import { things } from "./things.ts";

/**
 * Every assertion of W3C WoT Discovery (Recommendation of 5 December 2023) that binds a directory or the descriptions
 * in it, those included that the Recommendation keeps only as advice or has dropped. What binds only clients or
 * operators is left out.
 */
export const assertions: readonly Assertion[] = [
  ...introduction,
  ...exploration,
  ...registration,
  ...things,
  ...listing,
  ...events,
  ...search,
  ...security,
];
