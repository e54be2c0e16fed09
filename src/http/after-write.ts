import type { Receipt } from "../admission/stages.ts";
import type { HttpDeps } from "./deps.ts";

/** Lets the answer to a write wait until search has it, within limits (`admission/index-wait.ts`). */
export async function afterWrite({ position }: Receipt, { searchable }: Pick<HttpDeps, "searchable">): Promise<void> {
  if (position !== null) await searchable(position);
}
