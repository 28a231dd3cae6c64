"""A Kafka topic read as a consumer group: values are JSON objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from loaders.errors import SourceRefused, SourceUnreachable
from loaders.readers.queue import Message, from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS: Final = 30.0
"""How long the cluster has for an answer."""
SILENCE: Final = 1.0
TOMBSTONE: Final = "has a key and no value: a tombstone"
NOT_OURS: Final = (
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
)
EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name for a constant


class KafkaTopic:
    """The three calls of a queue on Kafka.

    Partitions are read one after the other, each up to its end as it was when the load began,
    from the offset that the group committed. There is no rebalancing: one load runs at a time, and
    the group is its own.
    Beside the offset stands how often what follows it has been delivered.

    Args:
        servers: `bootstrap.servers`.
        topic: the topic's name.
        group: the consumer group's name.
        settings: further settings of librdkafka, such as `security.protocol`.
        key: the column that a message's key goes to; without one it is left out.

    Raises:
        SourceRefused: the group has read further than the topic goes.
    """

    def __init__(
        self,
        servers: str,
        topic: str,
        group: str,
        settings: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
    ) -> None:
        self.origin = self.topic = topic
        self.group = group
        self.key = key
        self.assigned: Partition | None = None
        ours = {"enable.auto.commit": False, "enable.partition.eof": True}
        # a partition that is read to its end holds up the next answer for so long
        place = {"bootstrap.servers": servers, "group.id": group, "fetch.wait.max.ms": 50}
        self.consumer = Consumer({**place, **(settings or {}), **ours})
        self.partitions = self._partitions()
        self.unread = sorted(self.partitions, key=lambda one: one.tries(one.base))

    def receive(self, count: int, wait: float) -> list[Message]:
        """Return up to `count` messages; of the partition whose load failed most often first."""
        if not self.unread and wait:
            self._wait(wait)
        while self.unread:
            page = self._read(self.unread[-1], count)
            if page:
                return page
            self.unread.pop()
        return []

    def acknowledge(self, message_ids: list[str]) -> None:
        """Commit the offsets behind these messages."""
        ends: dict[int, int] = {}
        for message_id in message_ids:
            number, _, offset = message_id.partition("-")
            ends[int(number)] = max(ends.get(int(number), 0), int(offset) + 1)
        for partition in self.partitions:
            if partition.number in ends:
                partition.base = ends[partition.number]
                self._commit(partition)

    def lag(self) -> int:
        """Return how many messages stand behind the committed offsets."""
        return sum(self._bounds(one.number)[1] - one.base for one in self.partitions)

    def close(self) -> None:
        """Let go of the cluster."""
        self.consumer.close()

    def _read(self, partition: Partition, count: int) -> list[Message]:
        page = partition.trimmed()
        if not page and partition.next < partition.end and self.assigned is not partition:
            self.consumer.assign([TopicPartition(self.topic, partition.number, partition.next)])
            self.assigned = partition
        while partition.next < partition.end and not page:
            for found in self.consumer.consume(min(count, partition.end - partition.next), SILENCE):
                if (error := found.error()) and error.code() == EOF:
                    partition.end = partition.next
                elif error:
                    raise KafkaException(error)
                else:
                    page.append(partition.take(found, self.key))
        if page:
            self._commit(partition)  # that they have been delivered
        return page

    def _wait(self, seconds: float) -> None:
        places = [TopicPartition(self.topic, one.number, one.next) for one in self.partitions]
        self.consumer.assign(places)
        self.assigned = None
        self.consumer.poll(seconds)
        for partition in self.partitions:
            partition.end = self._bounds(partition.number)[1]
        self.unread = [one for one in self.partitions if one.next < one.end]

    def _partitions(self) -> list[Partition]:
        topic = self.consumer.list_topics(self.topic, SECONDS).topics[self.topic]
        if topic.error:
            raise KafkaException(topic.error)
        places = [TopicPartition(self.topic, number) for number in topic.partitions]
        committed = self.consumer.committed(places, SECONDS)
        found = [Partition(one, *self._bounds(one.partition)) for one in committed]
        for one in found:
            if one.base > one.end:
                raise SourceRefused(
                    f"The group has read up to {one.base} of partition {one.number} of the topic "
                    f"'{self.topic}', which ends at {one.end}: it was made anew. Read it with "
                    "another group into another table: its messages have the old ones' numbers."
                )
        return found

    def _bounds(self, number: int) -> tuple[int, int]:
        place = TopicPartition(self.topic, number)
        first, end = self.consumer.get_watermark_offsets(place, SECONDS)
        return int(first), int(end)

    def _commit(self, partition: Partition) -> None:
        text = partition.tried()
        place = TopicPartition(self.topic, partition.number, partition.base, metadata=text)
        try:
            self.consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() not in NOT_OURS:
                raise
            raise SourceUnreachable(
                f"Another consumer is a member of the group '{self.group}', which so keeps its own "
                f"place in the topic '{self.topic}'. Give the loader a group of its own "
                "(SOURCES__<SOURCE>__GROUP), or load again once it has left; nothing is lost."
            ) from error


class Partition:
    """Where one partition is read, and how often each part of it has been delivered."""

    def __init__(self, committed: Any, first: int, end: int) -> None:
        self.number = int(committed.partition)
        self.base = self.next = self.start = max(int(committed.offset), first)
        self.gap = (int(committed.offset), first) if 0 <= committed.offset < first else None
        """Offsets that the topic lost before they were read: from, and up to before."""
        self.end = end
        ranges = [part.split(":") for part in (committed.metadata or "").split() if ":" in part]
        self.before = [(int(upto), int(times)) for upto, times in ranges]
        """Offsets up to which, and how many times, messages were delivered to earlier loads."""

    def tries(self, offset: int) -> int:
        """Return how many earlier loads a message was delivered to."""
        return next((times for upto, times in self.before if offset < upto), 0)

    def trimmed(self) -> list[Message]:
        """Return what stands for the messages that are gone, once."""
        if self.gap is None:
            return []
        (begin, end), self.gap = self.gap, None
        problem = f"offsets {begin} to {end - 1} were deleted by the topic before they were loaded"
        return [Message(self._id(end - 1), None, problem=problem)]

    def take(self, found: Any, key: str | None) -> Message:
        """Return a message of Kafka's, which is delivered now."""
        offset = int(found.offset() or 0)
        self.next = offset + 1
        times, value = self.tries(offset) + 1, found.value()
        name = (found.key() or b"").decode(errors="backslashreplace")
        if value is None:
            return Message(self._id(offset), None, times, body=name, problem=TOMBSTONE)
        message = from_json(self._id(offset), value, times)
        if key is None or message.fields is None:
            return message
        return message._replace(fields={**message.fields, key: name})

    def _id(self, offset: int) -> str:
        return f"{self.number}-{offset:020}"

    def tried(self) -> str:
        """Return what stands beside the committed offset."""
        now = [(self.next, self.tries(self.start) + 1)]
        later = [(upto, times) for upto, times in self.before if upto > self.next]
        return " ".join(f"{upto}:{times}" for upto, times in now + later if upto > self.base)
