import { prometheus } from "@hono/prometheus";
import { OpenAPIHono } from "@hono/zod-openapi";
import { cors } from "hono/cors";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { HttpDeps } from "./deps.ts";
import { problemResponse, respondToError } from "./problems.ts";
import { requireReader } from "./read-access.ts";
import { addActivityPubRoutes } from "./routes/activitypub.ts";
import { addEventsRoutes } from "./routes/events.ts";
import { addIntroductionRoutes } from "./routes/introduction.ts";
import { addJsonPathRoutes } from "./routes/jsonpath.ts";
import { addLanRoutes } from "./routes/lan.ts";
import { addLogRoutes } from "./routes/log.ts";
import { addOperationsRoutes } from "./routes/operations.ts";
import { addOwnerActRoutes } from "./routes/owner-acts.ts";
import { addPeersRoutes } from "./routes/peers.ts";
import { addSearchRoutes } from "./routes/search.ts";
import { addThingsRoutes } from "./routes/things.ts";
import { addTokensRoutes } from "./routes/tokens.ts";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/** The registry's HTTP interface. Nothing listens yet: `app.fetch` answers requests. */
export function createApp(deps: HttpDeps): OpenAPIHono {
  const app = new OpenAPIHono();
  app.onError(respondToError);

  const { registerMetrics } = prometheus({ registry: deps.metrics, collectDefaultMetrics: false });
  app.use(registerMetrics);
  app.use(async (c, next) => {
    await next();
    if (c.req.method !== "OPTIONS") return;
    const allow = allowedMethods(app, c.req.path);
    if (allow.length > 0) c.res.headers.set("allow", [...allow, "OPTIONS"].join(", "));
  });
  // Reading a registry from a page of another origin is what it is for; nothing here relies on cookies.
  app.use(cors({ origin: "*", exposeHeaders: ["ETag", "Link", "Location", "Retry-After"] }));
  if (deps.readAccess === "token") app.use(requireReader(deps));
  app.use(async (c, next) => {
    const start = c.req.url.indexOf("?");
    if (start !== -1 && Buffer.byteLength(c.req.url) - start - 1 > limits.queryStringBytesMax) {
      throw new Problem("query-too-long", `The query string must have at most ${limits.queryStringBytesMax} bytes.`);
    }
    await next();
    c.res.headers.set("x-content-type-options", "nosniff");
  });

  addThingsRoutes(app, deps);
  addOwnerActRoutes(app, deps);
  addSearchRoutes(app, deps);
  addJsonPathRoutes(app, deps);
  addEventsRoutes(app, deps);
  addLogRoutes(app, deps);
  addLanRoutes(app, deps);
  addActivityPubRoutes(app, deps);
  addPeersRoutes(app, deps);
  addIntroductionRoutes(app, deps);
  addTokensRoutes(app, deps);
  addOperationsRoutes(app, deps);

  app.notFound((c) => {
    const allowed = allowedMethods(app, c.req.path);
    if (allowed.length === 0)
      return problemResponse(new Problem("not-found", `There is nothing at ${c.req.path.slice(0, 300)}.`));
    const allow = [...allowed, "OPTIONS"].join(", ");
    return problemResponse(
      new Problem("method-not-allowed", `${c.req.path.slice(0, 300)} does not have ${c.req.method}; it has ${allow}.`),
      { allow },
    );
  });
  return app;
}

/** The methods that routes answer on `path`, but for OPTIONS, which is answered everywhere. */
function allowedMethods(app: OpenAPIHono, path: string): string[] {
  const found = methods.filter((method) => hasRoute(app, method, path));
  return found.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]));
}

/** Whether a route other than middleware answers `method` on `path`. */
function hasRoute(app: OpenAPIHono, method: string, path: string): boolean {
  const [handlers] = app.router.match(method, path);
  return handlers.some(([[, route]]) => route.method === method);
}
