import type { JsonObject } from "../src/base/json.ts";
import { generateSigningKey, loadSigningKey } from "../src/identity/keys.ts";
import { signDocument } from "../src/identity/sign.ts";
import { seededRandom } from "../test/support/random.ts";

const verbs =
  "get set list find create update delete send fetch read write start stop reset convert translate analyze summarize book cancel order track plan rank match merge split export import verify sign encrypt monitor measure schedule notify render classify extract index".split(
    " ",
  );
const nouns =
  "weather forecast temperature invoice order ticket flight hotel route map image video audio document contract customer account payment message email calendar meeting task project report chart table database query file folder printer lamp sensor valve pump motor door camera robot drone battery meter stock price currency news article recipe song playlist language text speech voice face object vehicle parking traffic energy water air soil plant patient doctor medicine lab sample gene protein molecule star planet satellite signal network router server container log metric alert user role permission token key certificate".split(
    " ",
  );

/** How often a word of a rank is drawn: like in texts, few words are common and most are rare. */
function zipf(random: () => number, count: number): number {
  return Math.min(count - 1, Math.floor(count ** random()) - 1);
}

/** A rare word of rank `index`, pronounceable and unlike the others. */
function rareWord(index: number): string {
  const syllables = [
    "ka",
    "ro",
    "mi",
    "te",
    "lu",
    "sa",
    "no",
    "vi",
    "de",
    "po",
    "gra",
    "shi",
    "bel",
    "tor",
    "fen",
    "qua",
  ];
  let word = "";
  for (let rest = index + 16; rest > 0; rest = Math.floor(rest / 16)) word += syllables[rest % 16];
  return word;
}

/** An agent's description, unsigned. Number `index` of the corpus is the same for everybody. */
export function syntheticTd(index: number): JsonObject {
  return tdAbout(index, (random) => nouns[zipf(random, nouns.length)] as string);
}

/** One that does with things of no other corpus what everybody does: its nouns are no words of any language. */
export function unrelatedTd(index: number): JsonObject {
  return tdAbout(index, (random) => rareWord(20_000 + zipf(random, 20_000)));
}

function tdAbout(index: number, nounOf: (random: () => number) => string): JsonObject {
  const random = seededRandom(index + 1);
  const noun = () => nounOf(random);
  const verb = () => verbs[zipf(random, verbs.length)] as string;
  const capitalised = (word: string) => word[0]?.toUpperCase() + word.slice(1);
  const sentence = (words: number) =>
    Array.from({ length: words }, () =>
      random() < 0.25 ? rareWord(zipf(random, 20_000)) : random() < 0.5 ? noun() : verb(),
    ).join(" ");
  const actions = Object.fromEntries(
    Array.from({ length: 2 + Math.floor(random() * 5) }, () => {
      const name = verb() + capitalised(noun());
      const href = `https://agents.example/${index}/${name}`;
      return [
        name,
        {
          description: `${capitalised(sentence(8))}.`,
          input: { type: "object", properties: { [noun()]: { type: "string", description: sentence(4) } } },
          forms: [{ href, op: "invokeaction", contentType: "application/json" }],
        },
      ];
    }),
  );
  return {
    "@context": ["https://www.w3.org/2022/wot/td/v1.1", { lmos: "https://eclipse.dev/lmos/protocol/v1" }],
    "@type": ["Thing", random() < 0.5 ? "lmos:Agent" : "lmos:Tool"],
    id: `urn:uuid:${index.toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`,
    title: `${capitalised(noun())} ${noun()} ${index}`,
    description: `${capitalised(sentence(20))}.`,
    "lmos:metadata": { "lmos:vendor": { "lmos:name": `Vendor ${zipf(random, 200)}` } },
    securityDefinitions: { nosec_sc: { scheme: "nosec" } },
    security: "nosec_sc",
    actions,
  };
}

/** A function that signs descriptions with one new did:key. */
export function createSigner(): (td: JsonObject, created?: Date) => string {
  const key = loadSigningKey(generateSigningKey());
  return (td, created = new Date()) => JSON.stringify(signDocument(td, key, { created }));
}
