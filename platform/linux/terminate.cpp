// How the program ends where libstdc++ would throw what nobody can catch (operator new without memory, before the arena is sealed).
// Its own handler prints the exception's type, and links the demangler for it: 60K of a static program.
#include <cstdlib>
#include <exception>

void __gnu_cxx::__verbose_terminate_handler() { std::abort(); }
