import { type OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Handler } from "hono";
import { limits } from "../base/limits.ts";
import { Problem, type ValidationError } from "../base/problem.ts";

/** A documented route and what answers it. */
export interface Route {
  config: RouteConfig;
  handler: Handler;
}

/**
 * Adds a route to the app and to its OpenAPI document. `{id}` in a path takes the rest of the path, slashes
 * included, since thing ids are URIs.
 */
export function addRoute(app: OpenAPIHono, { config, handler }: Route): void {
  app.openAPIRegistry.registerPath(config);
  app.on(config.method.toUpperCase(), honoPath(config.path), handler);
}

/** `path` of an OpenAPI route in Hono's syntax. */
export function honoPath(path: string): string {
  return path
    .replaceAll("{id}", ":id{.+}")
    .replaceAll(/\{(\w+)\}(?!\})/g, (whole, name: string) => (name === "id" ? whole : `:${name}`));
}

/**
 * The request's query by `schema`, in which repeatable parameters are arrays. Throws `invalid-parameter` naming each
 * fault; a parameter that the route does not know is a fault, since ignoring a misspelt filter would answer another
 * question than was asked.
 */
export function readQuery<Schema extends z.ZodObject>(requestUrl: string, schema: Schema): z.infer<Schema> {
  const query = new URL(requestUrl).searchParams;
  const given: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  const faults: ValidationError[] = [];
  for (const name of new Set(query.keys())) {
    const field: unknown = Object.hasOwn(schema.shape, name) ? schema.shape[name] : undefined;
    const values = query.getAll(name);
    if (values.some((value) => value.includes("\0"))) {
      faults.push({ field: name, description: "must not hold NUL" });
    } else if (field === undefined) {
      faults.push({
        field: name,
        description: `is not a parameter here; known: ${Object.keys(schema.shape).join(", ")}`,
      });
    } else if (isRepeatable(field)) {
      given[name] = values;
    } else if (values.length > 1) {
      faults.push({ field: name, description: "must be given once" });
    } else {
      given[name] = values[0] ?? "";
    }
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    faults.push(...parsed.error.issues.map((issue) => ({ field: issue.path.join("."), description: issue.message })));
  }
  if (faults.length > 0 || !parsed.success) {
    throw new Problem(
      "invalid-parameter",
      `The query is not valid: ${faults.map((fault) => `${fault.field} ${fault.description}`).join("; ")}`.slice(
        0,
        1_000,
      ),
      {
        validationErrors: faults.slice(0, 20),
      },
    );
  }
  return parsed.data;
}

/** A list parameter: `?name=a&name=b`. */
export function repeatable(description: string) {
  return z
    .array(z.string().min(1).max(limits.thingIdBytesMax))
    .max(limits.searchFilterValuesMax)
    .default([])
    .openapi({ param: { in: "query", style: "form", explode: true }, description });
}

function isRepeatable(field: unknown): boolean {
  return field instanceof z.ZodArray || (field instanceof z.ZodDefault && field.unwrap() instanceof z.ZodArray);
}
