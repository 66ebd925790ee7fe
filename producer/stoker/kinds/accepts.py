"""Fields that take more than they hold, such as a name in place of an `Optimizer`, as type checkers see them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Generic, Self, TypeVar, overload

    T = TypeVar("T")
    G = TypeVar("G")

    class Accepts(Generic[T, G]):
        """A field of type `T` that is made of a `T` or a `G`: see "descriptor-typed fields" in the typing spec."""

        @overload
        def __get__(self, spec: None, owner: type[object]) -> Self: ...

        @overload
        def __get__(self, spec: object, owner: type[object]) -> T: ...

        def __get__(self, spec: object, owner: type[object]) -> Self | T: ...

        def __set__(self, spec: object, value: T | G) -> None: ...

else:

    class Accepts:
        """`Accepts[T, G]` is `T`, which pydantic validates: its validators turn a `G` into a `T`."""

        def __class_getitem__(cls, types: tuple[Any, Any]) -> Any:
            return types[0]
