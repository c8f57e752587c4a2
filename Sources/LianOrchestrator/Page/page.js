// Asks for a token, shows what it may see, and keeps that fresh while someone looks. The server makes all that is
// shown; nothing that a build said is put together to markup here.
'use strict';

const seconds = 1000;
const pauseBetweenLooks = 2 * seconds;
const pauseAfterFailure = 5 * seconds;
const tokenName = 'lian-orchestrator-token';
const element = id => document.getElementById(id);
const places = [...document.querySelectorAll('[data-part]')];
// What each place shows, as the server calls it.
const tags = new Map();
let isLooking = false;
let timer;

const token = () => sessionStorage.getItem(tokenName);
const isPaused = () => element('pause').getAttribute('aria-pressed') === 'true';

function say(words) {
  // A status that is written anew is read out anew.
  if (element('state').textContent !== words) element('state').textContent = words;
}

const sentence = words => `${words[0].toUpperCase()}${words.slice(1)}.`;

class Refusal extends Error {}

function showLogin(problem) {
  sessionStorage.removeItem(tokenName);
  tags.clear();
  for (const place of places) place.replaceChildren();
  for (const id of ['session', 'parts']) element(id).hidden = true;
  element('login').hidden = false;
  element('problem').textContent = problem;
  element('token').value = '';
  element('token').focus();
}

function showParts() {
  if (!element('parts').hidden) return;
  const hadFocus = element('login').contains(document.activeElement);
  element('login').hidden = true;
  for (const id of ['session', 'parts']) element(id).hidden = false;
  if (hadFocus) element('main').focus({ preventScroll: true });
}

// Whoever marks text in a place reads it: it stays as it is meanwhile.
function isMarked(place) {
  const selection = getSelection();
  return !selection.isCollapsed && place.contains(selection.anchorNode);
}

const linkTo = (place, target) =>
  [...place.querySelectorAll('a')].find(link => link.getAttribute('href') === target);

// Keeps the focus where it is, and what is looked at in its place in the window: both go by the links of the rows.
function put(place, markup) {
  const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  const inView = [...place.querySelectorAll('a')].find(link => link.getBoundingClientRect().bottom > 0);
  const top = inView?.getBoundingClientRect().top;
  const before = place.getBoundingClientRect();
  place.innerHTML = markup;
  if (focused) (linkTo(place, focused) ?? element('main')).focus({ preventScroll: true });
  const again = inView && linkTo(place, inView.getAttribute('href'));
  if (before.bottom < 0) scrollBy(0, place.getBoundingClientRect().bottom - before.bottom);
  else if (before.top < 0 && again) scrollBy(0, again.getBoundingClientRect().top - top);
}

async function fill(place, secret) {
  const headers = { Authorization: `Bearer ${secret}` };
  if (tags.has(place)) headers['If-None-Match'] = tags.get(place);
  const answer = await fetch(`parts/${place.dataset.part}${location.search}`, {
    headers, cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(30 * seconds),
  });
  const text = await answer.text();
  if (token() !== secret || answer.status === 304) return;
  if (answer.status === 200) {
    if (isMarked(place)) return;
    put(place, text);
    tags.set(place, answer.headers.get('ETag'));
    return;
  }
  const words = JSON.parse(text).error.message;
  if ([401, 403, 429].includes(answer.status)) throw new Refusal(words);
  if (![400, 404].includes(answer.status)) throw new Error(words);
  const message = document.createElement('p');
  message.className = 'message';
  message.textContent = sentence(words);
  place.replaceChildren(message);
  tags.delete(place);
}

async function look() {
  const secret = token();
  isLooking = true;
  let pause = pauseBetweenLooks;
  try {
    await Promise.all(places.map(place => fill(place, secret)));
    if (token()) {
      showParts();
      say(isPaused() ? 'Paused' : 'Live');
    }
  } catch (problem) {
    if (problem instanceof Refusal) {
      if (token() === secret) showLogin(sentence(problem.message));
    } else {
      pause = pauseAfterFailure;
      const words = 'The orchestrator does not answer. It is asked again.';
      if (element('parts').hidden) {
        element('login').hidden = false;
        element('problem').textContent = words;
      }
      say(words);
    }
  }
  isLooking = false;
  plan(token() === secret ? pause : 0);
}

// A page that nobody sees asks for nothing.
function plan(pause) {
  clearTimeout(timer);
  if (token() && !document.hidden && !isPaused() && !isLooking) timer = setTimeout(look, pause);
}

element('login').addEventListener('submit', event => {
  event.preventDefault();
  const text = element('token').value.trim();
  if (!/^[!-~]+$/.test(text)) return showLogin('This cannot be a token: it has other characters than visible ASCII.');
  sessionStorage.setItem(tokenName, text);
  element('problem').textContent = '';
  plan(0);
});
element('leave').addEventListener('click', () => showLogin(''));
element('pause').addEventListener('click', () => {
  element('pause').setAttribute('aria-pressed', String(!isPaused()));
  say(isPaused() ? 'Paused' : 'Live');
  plan(0);
});
document.addEventListener('visibilitychange', () => plan(0));

if (token()) plan(0);
else showLogin('');
