/* Says again and again that what it was granted is lost, and looks at what it is
 * granted instead. */
#include "sallyport.h"

static sp_worker w;

int main(void)
{
	char text[4096];
	int n, wanted;

	if (sp_begin(&w) < 0)
		return sp_end(&w);
	wanted = atoi(sp_setting_of(&w, "times", "0"));
	sp_ready(&w);
	for (n = 0; n < wanted && !sp_stopping(&w); n++) {
		const char *name = n % 2 ? "mem" : "load";
		uint64_t before = sp_grant_of(&w, name)->seq;
		sp_lost(&w, name);
		while (sp_grant_of(&w, name)->seq == before && sp_wait(&w, 1, 0))
			;
		if (sp_read(&w, name, text, sizeof text) <= 0)
			return 2;
	}
	sp_say(&w, SP_MSG_STATUS, text, (size_t)snprintf(text, sizeof text, "%d handed over", n));
	while (sp_wait(&w, 1000, 0))
		;
	return sp_end(&w);
}
