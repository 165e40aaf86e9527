/** The page of one person: it stands the parts up, opens channels, and brings in what happens. */

import { Acts } from "./acts.js";
import { Announcer } from "./announcer.js";
import { Api, ApiError } from "./api.js";
import { Channels } from "./channels.js";
import { typedCommands } from "./commands.js";
import { Composer } from "./composer.js";
import { Drawer } from "./drawer.js";
import { Events } from "./events.js";
import { icon } from "./icons.js";
import { Interactions } from "./interactions.js";
import { Log } from "./log.js";
import { drawIdentity, drawPeople } from "./people.js";
import { Scroll } from "./scroll.js";
import { CHANNEL_DM, displayName } from "./session.js";
import { themeToggle } from "./theme.js";
import { refreshRelativeTimes } from "./time.js";
import { Typing } from "./typing.js";
import { welcome } from "./welcome.js";

const BATCH = 50; // messages fetched at a time
const MOST = 100; // messages that the sandbox gives at once
const CLOCK = 20_000; // milliseconds between refreshes of "2 minutes ago"
const PAUSE = 2000; // milliseconds before a channel that could not be fetched is tried again
const KEPT_CHANNEL = "fathom-channel";

export class App {
  #held = null; // events that arrive while the channel is being fetched
  commands = []; // the application commands usable in the open channel
  #lost = false;
  #more = false; // whether there are older messages than those shown
  #missed = 0; // new messages since the reader scrolled up
  #stop = new AbortController();

  /** Fill `root` with the page as `session` sees it; `become(userId)` starts again as somebody else. */
  constructor(root, announcements, session, become) {
    Object.assign(this, { root, session, become });
    root.replaceChildren(document.getElementById("shell").content.cloneNode(true));
    this.api = new Api(session.me.id);
    this.interactions = new Interactions(this.api);
    this.announcer = new Announcer(announcements, session);
    this.channels = new Channels(this.#part("channels"), session, (id) => this.open(id));
    this.typing = new Typing(this.#part("typing"), session);
    this.acts = new Acts(this, this.api, this.interactions);
    this.composer = new Composer(this.#part("composer"), session, {
      entries: () => typedCommands(this.commands),
      send: (content, files) => this.acts.send(content, files),
      run: (entry, data, files, form) => this.acts.run(`/${entry.name}`, data, files, () => this.composer.show(form)),
      autocomplete: (data) => this.acts.autocomplete(data),
    });
    this.scroll = new Scroll(this.#part("scroller"), this.#part("content"), {
      onFollow: (following) => this.#showJump(following),
      onTop: () => this.#older(),
    });
    this.#furnish();
    this.#listen();
    this.#place(session.channel(sessionStorage.getItem(KEPT_CHANNEL)) ?? session.channels[0]);
    this.#showPresence(session.online);
    this.events = new Events(session.me.id, {
      onEvent: (type, data) => this.#onEvent(type, data),
      onOpen: () => this.#onOpen(),
      onLost: () => this.#onLost(),
      mayReturn: () => this.#mayReturn(),
    });
    this.composer.focus();
  }

  close() {
    this.#held = null; // which ends the tries to fetch the channel
    this.#stop.abort();
    this.events.close();
    this.typing.clear();
    this.announcer.clear();
  }

  /** Go to the channel with this id. */
  open(id) {
    this.channelDrawer.close();
    if (id !== this.channel.id) {
      this.#place(this.session.channel(id));
      this.#load();
    }
    this.composer.focus();
  }

  #part(name) {
    return this.root.querySelector(`#${name}`);
  }

  // what stands around the conversation

  #furnish() {
    this.#part("guild").textContent = this.session.guild.name;
    for (const slot of this.root.querySelectorAll("[data-icon]")) slot.prepend(icon(slot.dataset.icon));
    themeToggle(this.#part("theme"));
    drawPeople(this.#part("people-list"), this.session, (user, place, opener) =>
      this.acts.userMenu(user, place, opener),
    );
    drawIdentity(this.#part("identity"), this.session, this.become);
    this.channelDrawer = new Drawer(this.#part("sidebar"), this.#part("show-channels"), "(max-width: 760px)");
    this.peopleDrawer = new Drawer(this.#part("people"), this.#part("show-people"), "(max-width: 1120px)");
    this.#part("jump").addEventListener("click", () => this.scroll.toBottom());
  }

  #listen() {
    const { signal } = this.#stop;
    const clock = setInterval(() => refreshRelativeTimes(this.root, this.session.locale), CLOCK);
    signal.addEventListener("abort", () => clearInterval(clock));
    document.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    this.#part("content").addEventListener("click", ({ target }) => {
      const mention = target.closest("[data-channel], [data-command]");
      if (mention?.dataset.channel) this.open(mention.dataset.channel);
      else if (mention) this.composer.begin(mention.dataset.command);
    });
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    const dropping = (on) => this.root.classList.toggle("dropping", on);
    document.addEventListener("dragover", (event) => carriesFiles(event) && (event.preventDefault(), dropping(true)), {
      signal,
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget || dropping(false), { signal });
    document.addEventListener(
      "drop",
      (event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        dropping(false);
        this.composer.take([...event.dataTransfer.files]);
      },
      { signal },
    );
  }

  /** Typing anywhere goes to the composer, except where typing means something else. */
  #onKey(event) {
    const elsewhere = document.activeElement.closest("input, textarea, dialog, [role=menu], [role=listbox], #composer");
    const types = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (types && !elsewhere) this.composer.focus();
  }

  #showPresence(online) {
    this.session.online = online;
    this.root.dataset.bot = online ? "online" : "offline";
    this.#part("bot-state").textContent = `${displayName(this.session.bot)} is ${online ? "online" : "offline"}`;
    for (const node of this.root.querySelectorAll(".bot-state")) node.textContent = online ? "online" : "offline";
  }

  #showConnection(sentence) {
    const banner = this.#part("connection");
    banner.hidden = !sentence;
    banner.querySelector("span").textContent = sentence;
  }

  #showJump(following) {
    if (following) this.#missed = 0;
    const count = this.#missed ? `${this.#missed} new · ` : "";
    this.#part("jump").hidden = following;
    this.#part("jump").querySelector("span").textContent = `${count}Jump to present`;
  }

  // the channel

  /** Put an empty channel on the page; #load fills it. */
  #place(channel) {
    this.channel = channel;
    sessionStorage.setItem(KEPT_CHANNEL, channel.id);
    const spoken = channel.type === CHANNEL_DM ? channel.name : `#${channel.name}`;
    document.title = `${spoken} · Fathom`;
    this.#part("channel-name").textContent = channel.name;
    this.#part("channel-icon").replaceChildren(icon(channel.type === CHANNEL_DM ? "mention" : "hash"));
    this.#part("topic").textContent = channel.topic ?? "";
    this.channels.select(channel.id);
    this.typing.clear();
    this.composer.address(channel.id, spoken);
    this.log = new Log(welcome(this.session, channel, this.composer), this.session, this.acts);
    this.#part("content").replaceChildren(this.log.element);
    this.scroll.toBottom();
  }

  /** Fetch what the channel holds, as often as it takes; what happens meanwhile is `held` and applied after it. */
  async #load(held = (this.#held = [])) {
    this.#part("content").setAttribute("aria-busy", "true");
    const { channel, log } = this;
    const limit = Math.min(MOST, Math.max(BATCH, log.messages.length));
    const fetched = await this.#trying(() =>
      Promise.all([this.api.messages(channel.id, limit), this.api.commands(channel.id)]),
    );
    if (this.#held !== held) return; // a later load has taken over
    if (!fetched) {
      setTimeout(() => this.#held === held && this.#load(held), PAUSE);
      return;
    }
    const [messages, commands] = fetched;
    this.commands = commands;
    this.#more = messages.length === limit;
    log.reset(messages);
    this.#held = null;
    this.#part("content").setAttribute("aria-busy", "false");
    for (const [type, data] of held) this.#apply(type, data);
  }

  async #older() {
    if (!this.#more || !this.log.oldest) return;
    this.#more = false; // until this answer says otherwise
    const { log, channel } = this;
    const messages = await this.#trying(() => this.api.messages(channel.id, BATCH, log.oldest));
    if (log !== this.log) return;
    if (messages) this.scroll.keepPlace(() => log.prepend(messages));
    this.#more = !messages || messages.length === BATCH;
  }

  async #reloadCommands() {
    const { channel } = this;
    const commands = await this.#trying(() => this.api.commands(channel.id));
    if (commands && channel === this.channel) this.commands = commands;
  }

  /** The result of `request`, or undefined after its failure was shown; it is shown until the next success. */
  async #trying(request) {
    try {
      const result = await request();
      if (!this.#lost) this.#showConnection("");
      return result;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!this.#lost) this.#showConnection(error.message);
      return undefined;
    }
  }

  // what happens

  #onOpen() {
    if (this.#lost) this.announcer.say("Connected again.");
    this.#lost = false;
    this.#showConnection("");
    this.interactions.abandon(); // also of what was begun while the stream was down
    this.#load();
  }

  /** Whether the sandbox that answers is still the one this page shows; for another one, the page starts afresh. */
  async #mayReturn() {
    try {
      const data = await Api.session(this.session.me.id);
      this.#showPresence(data.online);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) this.become(this.session.me.id); // people have new ids in every sandbox
      return false;
    }
  }

  #onLost() {
    this.#lost = true;
    this.interactions.abandon();
    this.#showConnection("The connection to the sandbox is lost. Trying again…");
  }

  #onEvent(type, data) {
    if (this.interactions.receive(type, data)) return;
    if (type === "COMMANDS_UPDATE") this.#reloadCommands();
    else if (type === "PRESENCE") this.#onPresence(data.online);
    else if (data.channel_id !== this.channel.id)
      type === "MESSAGE_CREATE" && this.channels.markUnread(data.channel_id);
    else if (this.#held) this.#held.push([type, data]);
    else this.#apply(type, data);
  }

  #onPresence(online) {
    this.#showPresence(online);
    this.#reloadCommands();
  }

  /** An event of the open channel. */
  #apply(type, data) {
    if (type === "TYPING_START" && data.user_id !== this.session.me.id) this.typing.start(data.user_id);
    if (type === "MESSAGE_DELETE") this.log.remove(data.id);
    if (type === "MESSAGE_UPDATE") {
      this.log.update(data);
      this.announcer.edited(data);
    }
    if (type === "MESSAGE_CREATE") {
      this.typing.stop(data.author.id);
      if (!this.log.add(data)) return;
      if (data.author.id === this.session.me.id) this.scroll.toBottom();
      else this.announcer.message(data);
      if (!this.scroll.following) {
        this.#missed += 1;
        this.#showJump(false);
      }
    }
  }
}
