/** Who one is and what there is: the island's people, channels and roles, as one person sees them. */

export const CHANNEL_DM = 1;

export class Session {
  /** `data` is the answer of `GET /sandbox/session`. */
  constructor(data) {
    this.guild = data.guild;
    this.channels = data.channels;
    this.people = data.users;
    this.bot = data.bot;
    this.online = data.online;
    this.me = data.users.find((user) => user.id === data.me);
    this.locale = this.me.locale;
  }

  /** Everyone with a name here: the people, then the bot. */
  get everyone() {
    return this.bot ? [...this.people, this.bot] : this.people;
  }

  get roles() {
    return [{ id: this.guild.id, name: "@everyone" }]; // the role every guild has; its id is the guild's own
  }

  user(id) {
    return this.everyone.find((user) => user.id === id);
  }

  channel(id) {
    return this.channels.find((channel) => channel.id === id);
  }

  /** The guild's channels, those of some `types` if given; the direct conversation is none that one could name. */
  channelsOfTypes(types) {
    const named = this.channels.filter(({ type }) => type !== CHANNEL_DM);
    return types?.length ? named.filter(({ type }) => types.includes(type)) : named;
  }

  role(id) {
    return this.roles.find((role) => role.id === id);
  }

  /** What a channel is called: a direct message is named after the other one. */
  channelName(channel) {
    return channel.type === CHANNEL_DM ? (this.bot ? displayName(this.bot) : "Direct message") : channel.name;
  }

  /** A command's, option's or choice's name in this person's language, else the original. */
  nameOf(thing) {
    return thing.name_localizations?.[this.locale] ?? thing.name;
  }

  descriptionOf(thing) {
    return thing.description_localizations?.[this.locale] ?? thing.description ?? "";
  }
}

export function displayName(user) {
  return user.global_name ?? user.username;
}
