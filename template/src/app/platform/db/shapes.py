"""How the rows of a model become a read model: which columns, which related rows, which statements."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import ARRAY, Column, Select, and_, any_, bindparam, select, tuple_
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.sql.elements import ColumnElement

from app.platform.db.fields import attribute_of, column_names, column_of, inherits, nested_in
from app.platform.db.rows import Rows, Run

# statements for different filters; a program has few, and a client that invents some must not fill the memory
MOST_STATEMENTS = 500
KEYS = "keys"


class Shape:
    """The columns of a model for the fields of a read model, and the relationships for its nested read models.

    Attributes:
        model: the model.
        inherits: whether it inherits from another model, or others from it.
        names: the names of the fields that columns fill, in the order of `columns`.
        columns: what to select; after those of the fields, the keys that related rows are found by.
        relations: the relationships.
        attributes: the attributes of the model that are columns, with the names of these.
        key: the primary key.
        key_names: the attributes of the primary key.
        adapter: makes a list of read models from a list of dictionaries.

    Raises:
        TypeError: a field is neither a column nor a relationship of the model.
    """

    def __init__(self, model: type[Any], read_model: type[BaseModel]) -> None:
        mapper: Mapper[Any] = model.__mapper__
        self.model = model
        self.inherits = inherits(mapper)
        self.adapter: TypeAdapter[list[Any]] = TypeAdapter(list[read_model])  # type: ignore[valid-type]
        self.relations: list[Relation] = []
        self._statements: dict[object, Select[Any]] = {}
        columns: dict[str, ColumnElement[Any]] = {}
        for name, info in read_model.model_fields.items():
            attribute = attribute_of(name, info)
            if attribute in mapper.relationships:
                relation = mapper.relationships[attribute]
                self.relations.append(Relation(attribute, relation, nested_in(read_model, name, info)))
            elif attribute in mapper.column_attrs:
                columns[attribute] = column_of(model, attribute)
            else:
                message = f"{read_model.__name__}.{name}: {model.__name__} has no column or relationship {attribute!r}"
                raise TypeError(message)
        self.names = tuple(columns)
        for relation_ in self.relations:
            relation_.first = len(columns)
            columns |= {f"{relation_.name} {number}": each for number, each in enumerate(relation_.local)}
        self.columns = tuple(columns.values())
        self.attributes = column_names(mapper)
        self.key: tuple[ColumnElement[Any], ...] = tuple(mapper.primary_key)
        self.key_names = tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)

    def plain(self) -> Select[Any]:
        """Return a SELECT of the columns."""
        return select(*self.columns)

    def statement(self, key: object, build: Callable[[Select[Any]], Select[Any]]) -> Select[Any]:
        """Return the statement with this key, which is built from a plain SELECT the first time."""
        found = self._statements.get(key)
        if found is None:
            if len(self._statements) >= MOST_STATEMENTS:
                self._statements.clear()
            found = self._statements[key] = build(self.plain())
        return found

    @property
    def has_relations(self) -> bool:
        """Whether related rows belong to the read model."""
        return bool(self.relations)

    @property
    def join(self) -> Callable[[Select[Any]], Select[Any]] | None:
        """Return the function that joins the related rows, if one statement is enough: there is one relationship."""
        if len(self.relations) != 1 or not self.relations[0].joins:
            return None
        return lambda query: self.relations[0].join(query).add_columns(*self.key)

    @cached_property
    def prebuilt(self) -> bool:
        """Whether the statements are the same for any number of rows and values."""
        # conditions of inheritance, and columns that are expressions, may have lists, which are written out each time
        is_plain = not self.inherits and all(isinstance(column, Column) for column in self.columns)
        return is_plain and all(relation.prebuilt and relation.shape.prebuilt for relation in self.relations)

    def load_joined(self, rows: Rows) -> list[dict[str, Any]]:
        """Return the rows of a joined statement as dictionaries: one for each row of the model."""
        (relation,) = self.relations
        own = len(self.columns)
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in rows:
            key = tuple(row[-len(self.key) :])
            if (parent := found.get(key)) is None:
                parent = found[key] = dict(zip(self.names, row, strict=False)) | {relation.name: relation.none()}
            # it is NULL where the join found nothing
            if row[own + len(relation.shape.columns)] is not None:
                relation.add(parent, dict(zip(relation.shape.names, row[own:], strict=False)))
        return list(found.values())

    def load(self, run: Run, rows: Rows) -> list[dict[str, Any]]:
        """Return the rows as dictionaries for the read model, with their related rows; a statement a relationship."""
        found = [dict(zip(self.names, row, strict=False)) for row in rows]
        if found:
            for relation in self.relations:
                relation.attach(run, rows, found)
        return found


class Relation:
    """Related rows that fill a field: one read model, or a list of them.

    Attributes:
        name: the name of the relationship.
        shape: the shape of the related rows.
        many: whether there may be several.
        local: the columns of the model that related rows are found by.
        remote: those of the related table, or of the table in between.
        prebuilt: whether the statement for related rows is the same for any number of keys.
        belongs: whether the related rows belong to the model's, and refer to them themselves.
        first: where the values of `local` begin in a row.
    """

    def __init__(self, name: str, relation: RelationshipProperty[Any], read_model: type[BaseModel]) -> None:
        self.name = name
        self.first = 0
        self.shape = shape_of(relation.mapper.class_, read_model)
        self.many = bool(relation.uselist)
        pairs = relation.synchronize_pairs if relation.secondary is not None else relation.local_remote_pairs or []
        if not relation.primaryjoin.compare(and_(*(local == remote for local, remote in pairs))):
            message = f"{relation}: its primaryjoin says more than which columns are equal: read it as objects"
            raise TypeError(message)
        self.local = tuple(local for local, _ in pairs)
        self.remote = tuple(remote for _, remote in pairs)
        self.prebuilt = len(self.remote) == 1
        self.belongs = self.many and relation.secondary is None
        self._order = relation.order_by or ()
        self._property = relation
        # further relationships would multiply the rows
        self.joins = relation.secondary is None and not self.shape.has_relations and not self.shape.inherits
        # a table that is joined to itself needs a second name
        self.joins = self.joins and relation.mapper.local_table is not relation.parent.local_table

    def join(self, query: Select[Any]) -> Select[Any]:
        """Add the related rows to a SELECT; the column `related` is NULL in rows without."""
        joined = query.add_columns(*self.shape.columns, self.remote[0].label("related"))
        matches = and_(*(local == remote for local, remote in zip(self.local, self.remote, strict=True)))
        return joined.outerjoin(self._property.mapper.local_table, matches).order_by(*self._order)

    def none(self) -> list[dict[str, Any]] | None:
        """Return the value of the field without related rows."""
        return [] if self.many else None

    def add(self, parent: dict[str, Any], child: dict[str, Any]) -> None:
        """Put a related row into the field."""
        if self.many:
            parent[self.name].append(child)
        else:
            parent[self.name] = child

    def attach(self, run: Run, rows: Rows, found: list[dict[str, Any]]) -> None:
        """Read the related rows of all rows in one statement, and put them where they belong."""
        width = len(self.remote)
        keys = [tuple(row[self.first : self.first + width]) for row in rows]
        wanted = {key for key in keys if None not in key}
        values: Iterable[Any] = wanted if width > 1 else (key for (key,) in wanted)
        related = run(self._query, {KEYS: list(values)}) if wanted else []
        children: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
        for row, child in zip(related, self.shape.load(run, related), strict=True):
            children[tuple(row[-width:])].append(child)
        for key, parent in zip(keys, found, strict=True):
            parent[self.name] = self.none()
            for child in children.get(key, ()):
                self.add(parent, child)

    @cached_property
    def _query(self) -> Select[Any]:
        if self.prebuilt:
            (key,) = self.remote
            # one parameter for all keys: the statement is the same for any number of them
            wanted: Any = key == any_(bindparam(KEYS, type_=ARRAY(key.type)))
        else:
            wanted = tuple_(*self.remote).in_(bindparam(KEYS, expanding=True))
        query = select(*self.shape.columns, *self.remote).where(wanted)
        if self._property.secondary is not None:
            related = self._property.mapper.local_table
            query = query.select_from(related.join(self._property.secondary, self._property.secondaryjoin))
        return query.order_by(*self._order)


_shapes: dict[tuple[type[Any], type[BaseModel]], Shape] = {}


def shape_of(model: type[Any], read_model: type[BaseModel]) -> Shape:
    """Return the shape of a read model of a model; it is made once for each pair of classes.

    Raises:
        TypeError: a field of the read model is neither a column nor a relationship of the model.
    """
    found = _shapes.get((model, read_model))
    if found is None:
        found = _shapes[model, read_model] = Shape(model, read_model)
    return found
