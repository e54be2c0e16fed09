import { stemmer } from "stemmer";

/*
 * Words that people use for one another when they ask for a tool: who asks to "save" means one that "writes". A word may
 * have several meanings. English only: descriptions of agents and tools are mostly English, and so is the stemming.
 */

/** Each line is one meaning, named by its first word. Words that only some readers would put together are not here. */
const meanings = `
write save store persist
open read load view
delete remove erase clear
create make generate build produce compose
find search look locate discover seek
get fetch retrieve obtain
list enumerate show
update edit modify change revise
send post deliver dispatch
calculate compute calculation calculator math arithmetic
convert transform conversion
compare difference diff
summarize summary digest
analyze analysis analytics
translate translation translator interpreter
buy purchase order shop
reserve book reservation booking
cancel abort revoke
start launch run execute
stop halt terminate shutdown
schedule plan appointment
monitor watch observe track
measure measurement reading
notify alert notification reminder
encrypt encryption cipher
check validate verify validation
merge combine join
split divide partition
compress zip archive
login authenticate authentication signin
image picture photo photograph
directory folder dir
file path
document doc
presentation powerpoint ppt pptx slide slideshow deck
spreadsheet excel xls xlsx worksheet workbook
docx word
article paper publication
internet web online
website site webpage
repository repo
email mail inbox
message chat
database db sql
log logfile
code program source script
library package dependency module
documentation docs manual
terminal shell command console
browser chrome firefox
server host
container docker
screenshot capture
transcript subtitle caption
lecture talk speech
voice speech spoken
video movie film clip
music song audio sound
chart graph plot diagram visualization
table grid
map atlas
dictionary glossary vocabulary
note memo
todo task
bug defect
test testing
price cost quote fee
stock share equity
company firm business corporation enterprise
currency money forex
cryptocurrency crypto bitcoin coin token
bank banking
invoice bill
payment pay checkout
tax taxation
budget spending expense
market exchange
investment invest portfolio
insurance insurer
trip travel journey tour itinerary vacation holiday
hotel accommodation lodging homestay hostel apartment
train rail railway
flight plane airline airport
car vehicle automobile
bus coach
taxi cab rideshare
parking garage
route direction navigation
location place address position coordinate
distance proximity nearby
restaurant dining food eatery
recipe dish meal cook cuisine
grocery supermarket
weather forecast climate
temperature thermometer thermal
humidity moisture
rain precipitation rainfall
wind gust
air pollution smog
news headline
sport match game
football soccer
team squad
calendar event agenda
time clock
date day
holiday festival
medical health clinical medicine
doctor physician
hospital clinic
drug medication pharmaceutical
disease illness disorder
patient inpatient
gene genetic genome
protein peptide
job career employment vacancy
employee staff personnel
customer client
user account profile
contact addressbook
house home property
painting artwork art
museum gallery
history historical
law legal regulation
contract agreement
patent trademark
school education course
student pupil learner
university college academic
book novel
poem poetry
lamp light bulb lighting
heating heater warmth thermostat radiator
cooling cooler airconditioning
door gate
lock latch
window blind shutter
camera webcam
sensor detector
switch toggle
motor engine actuator
valve tap
pump compressor
battery accumulator
energy power electricity
meter gauge
printer print
speaker loudspeaker
screen display monitor
robot robotic
drone uav
machine device equipment
alarm siren
smoke fire
water leak
garden irrigation lawn
vacuum cleaner
`;

/** The words of each meaning. */
export const meaningWords: readonly (readonly string[])[] = meanings
  .trim()
  .split("\n")
  .map((line) => line.split(" "));

/** Lexemes of the meanings of a word, by its English stem. */
const meaningsByStem = new Map<string, string[]>();
/** The stems of a meaning's words, by its lexeme. */
const stemsByMeaning = new Map<string, string[]>();
for (const words of meaningWords) {
  const stems = [...new Set(words.map((word) => stemmer(word)))];
  const lexeme = meaningLexeme(words[0] ?? "");
  stemsByMeaning.set(lexeme, stems);
  for (const stem of stems) meaningsByStem.set(stem, [...(meaningsByStem.get(stem) ?? []), lexeme]);
}

/** The lexemes of what a word can mean; `stem` is its English stem, or the word where that is its stem. */
export function meaningsOf(stem: string): readonly string[] {
  return meaningsByStem.get(stem) ?? [];
}

/** The stems of the words that have a meaning; of any other lexeme, itself. */
export function stemsMeaning(lexeme: string): readonly string[] {
  return stemsByMeaning.get(lexeme) ?? [lexeme];
}

/** No word has the mark. */
function meaningLexeme(name: string): string {
  return `~${name}`;
}
